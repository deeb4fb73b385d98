// Package walk is what every program here needs: a person who says yes, and the telling of what was seen.
package walk

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
)

const (
	API      = "api://onbehalf-api/access_as_user"
	App      = "api://onbehalf-api/.default"
	Graph    = "https://graph.microsoft.com/User.Read"
	Callback = "http://localhost:3000/auth/callback"
	Verifier = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
)

type (
	Seen  map[string]any
	Flows map[string]func() (Seen, error)
)

func Read(name string) []byte {
	content, err := os.ReadFile(os.Getenv(name))
	if err != nil {
		panic(err)
	}
	return content
}

func Challenge() string {
	hash := sha256.Sum256([]byte(Verifier))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// Code is what the emulator, which answers for the person, sends to the redirect URI.
func Code(authorize string) string {
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(authorize)
	if err != nil {
		panic(err)
	}
	landing, _ := url.Parse(answer.Header.Get("Location"))
	return landing.Query().Get("code")
}

// TypeCode is the person with a device's code.
func TypeCode(uri, code string) error {
	_, err := http.PostForm(uri, url.Values{"user_code": {code}})
	return err
}

// Lifetime is how long access tokens live from now on.
func Lifetime(seconds int) {
	body := strings.NewReader(fmt.Sprintf(`{"access":%d}`, seconds))
	request, _ := http.NewRequest(http.MethodPut, os.Getenv("ADMIN")+"/lifetimes", body)
	if _, err := http.DefaultClient.Do(request); err != nil {
		panic(err)
	}
}

// Tell runs each flow and prints what it gave; an error is what it gave, too.
func Tell(module string, flows Flows) {
	seen := map[string]Seen{}
	for name, flow := range flows {
		gave, err := flow()
		if err != nil {
			gave = Seen{"raised": err.Error()}
		}
		seen[name] = gave
	}
	version := ""
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			version = dependency.Version
		}
	}
	told, _ := json.Marshal(map[string]any{"version": version, "flows": seen})
	fmt.Println(string(told))
}
