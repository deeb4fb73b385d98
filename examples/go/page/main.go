// A page behind web-frontend, with `pass: identity`: who comes stands in a JWT that the frontend signs for this app alone.
package main

import (
	"context"
	"fmt"
	"html"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	frontend := os.Getenv("PUBLIC_BASE_URL")
	keys := oidc.NewRemoteKeySet(context.Background(), frontend+"/auth/jwks.json")
	expected := &oidc.Config{ClientID: os.Getenv("UPSTREAM_NAME"), SupportedSigningAlgs: []string{"ES256"}}
	verifier := oidc.NewVerifier(frontend, keys, expected)
	http.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		person := struct{ Name string }{}
		verified, err := verifier.Verify(r.Context(), token)
		if err != nil || verified.Claims(&person) != nil {
			w.WriteHeader(401)
			return
		}
		fmt.Fprintf(w, "<title>Go</title><p>Hello %s, this is %s", html.EscapeString(person.Name), html.EscapeString(r.URL.Path))
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
