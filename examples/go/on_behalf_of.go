package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
)

// onBehalfOf gives a token of the next API, else what the caller must do, as a status and a challenge.
func onBehalfOf(token, scope string) (access string, status int, challenge string) {
	proof, _ := os.ReadFile(env("BROKER_ASSERTION_FILE")) // Kubernetes renews it.
	response, err := http.PostForm(env("BROKER_URL")+"/oauth2/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "requested_token_use": {"on_behalf_of"},
		"assertion": {token}, "scope": {scope}, "client_assertion": {string(proof)},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		return "", 503, ""
	}
	defer response.Body.Close()
	body := map[string]any{}
	json.NewDecoder(response.Body).Decode(&body)
	if claims, wanted := body["claims"].(string); wanted { // The caller sends the person to Entra with them.
		encoded := base64.StdEncoding.EncodeToString([]byte(claims))
		return "", 401, `Bearer error="insufficient_claims", claims="` + encoded + `"`
	}
	switch body["error"] {
	case nil:
		return body["access_token"].(string), 200, ""
	case "temporarily_unavailable":
		return "", 503, ""
	case "consent_required":
		return "", 403, `Bearer error="insufficient_scope", scope="` + env("ENTRA_AUDIENCE") + `/.default"`
	case "interaction_required", "login_required", "invalid_grant":
		return "", 401, `Bearer error="invalid_token"`
	}
	return "", 500, ""
}

func refuse(w http.ResponseWriter, status int, challenge string) {
	if status == 503 {
		w.Header().Set("Retry-After", "2")
	} else {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.WriteHeader(status)
}

func graphName(token string) any {
	request, _ := http.NewRequest("GET", env("GRAPH_BASE_URL")+"/v1.0/me", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	profile := map[string]any{}
	if response, err := http.DefaultClient.Do(request); err == nil {
		defer response.Body.Close()
		json.NewDecoder(response.Body).Decode(&profile)
	}
	return profile["displayName"]
}
