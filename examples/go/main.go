// An API with net/http: go-oidc checks Entra's tokens by discovery; on_behalf_of.go asks the broker for the next API's.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

var env = os.Getenv

// check gives the claims of a good token, else a status and a challenge (RFC 6750).
func check(ctx context.Context, verifier *oidc.IDTokenVerifier, token string) (claims map[string]any, status int, challenge string) {
	verified, err := verifier.Verify(ctx, token)
	switch {
	case err != nil && strings.Contains(err.Error(), "fetching keys"):
		return nil, 503, "" // An outage signs nobody out.
	case err != nil || verified.Claims(&claims) != nil || claims["tid"] != env("ENTRA_TENANT_ID") || claims["ver"] != "2.0":
		return nil, 401, `Bearer error="invalid_token"`
	case !slices.Contains(strings.Fields(fmt.Sprint(claims["scp"])), "access_as_user"):
		return nil, 403, `Bearer error="insufficient_scope", scope="access_as_user"`
	}
	return claims, 200, ""
}

func main() {
	http.DefaultClient.Timeout = 10 * time.Second
	provider, err := oidc.NewProvider(context.Background(), env("ENTRA_AUTHORITY_HOST")+"/"+env("ENTRA_TENANT_ID")+"/v2.0")
	if err != nil {
		log.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: env("ENTRA_AUDIENCE")})
	http.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		access, status, challenge := "", 401, "Bearer"
		var claims map[string]any
		token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if isBearer {
			claims, status, challenge = check(r.Context(), verifier, token)
		}
		if status == 200 {
			access, status, challenge = onBehalfOf(token, "https://graph.microsoft.com/User.Read")
		}
		if status != 200 {
			refuse(w, status, challenge)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"hello": claims["name"], "graph": graphName(access)})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+env("PORT"), nil))
}
