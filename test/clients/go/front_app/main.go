// An app as somebody has it: it believes a JWT whose key its issuer publishes, and tells the time event by event.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"strings"
	"time"
)

type key struct{ Kid, X, Y string }

func number(text string) *big.Int {
	bytes, _ := base64.RawURLEncoding.DecodeString(text)
	return new(big.Int).SetBytes(bytes)
}

func claims(token, jwks string) (map[string]any, error) {
	parts := strings.Split(strings.TrimPrefix(token, "Bearer "), ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("no JWT")
	}
	response, err := http.Get(jwks)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var set struct{ Keys []key }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return nil, err
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for _, k := range set.Keys {
		public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(k.X), Y: number(k.Y)}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		if ecdsa.Verify(public, digest[:], r, s) {
			body, _ := base64.RawURLEncoding.DecodeString(parts[1])
			var all map[string]any
			return all, json.Unmarshal(body, &all)
		}
	}
	return nil, fmt.Errorf("no key fits")
}

func main() {
	jwks := os.Args[2]
	http.HandleFunc("/go/", func(w http.ResponseWriter, r *http.Request) {
		all, err := claims(r.Header.Get("Authorization"), jwks)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"name": all["name"], "aud": all["aud"], "header": r.Header.Get("X-Auth-Name")})
	})
	http.HandleFunc("/go/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for count := 1; ; count++ {
			fmt.Fprintf(w, "data: %d\n\n", count)
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
}
