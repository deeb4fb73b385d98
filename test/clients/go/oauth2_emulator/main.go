// golang.org/x/oauth2 at the emulator.
package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"onbehalf.test/clients/walk"
)

var (
	ctx  = context.Background()
	base = os.Getenv("ORIGIN") + "/" + os.Getenv("TENANT") + "/oauth2/v2.0"
)

func byCode(config *oauth2.Config) (*oauth2.Token, error) {
	url := config.AuthCodeURL("state", oauth2.S256ChallengeOption(walk.Verifier))
	return config.Exchange(ctx, walk.Code(url), oauth2.VerifierOption(walk.Verifier))
}

func seen(token *oauth2.Token, err error) (walk.Seen, error) {
	if err != nil {
		return nil, err
	}
	return walk.Seen{"access_token": token.AccessToken}, nil
}

func main() {
	endpoint := oauth2.Endpoint{AuthURL: os.Getenv("BROWSER_ORIGIN") + "/" + os.Getenv("TENANT") + "/oauth2/v2.0/authorize",
		TokenURL: base + "/token", DeviceAuthURL: base + "/devicecode"}
	web := &oauth2.Config{ClientID: os.Getenv("WEB"), ClientSecret: "web-secret", RedirectURL: walk.Callback,
		Endpoint: endpoint, Scopes: []string{"openid", "offline_access", walk.API}}
	walk.Tell("golang.org/x/oauth2", walk.Flows{
		"gets an app token by secret": func() (walk.Seen, error) {
			job := clientcredentials.Config{ClientID: os.Getenv("JOB"), ClientSecret: "job-secret",
				TokenURL: endpoint.TokenURL, Scopes: []string{walk.App}}
			return seen(job.Token(ctx))
		},
		"redeems a code with PKCE": func() (walk.Seen, error) { return seen(byCode(web)) },
		"refreshes": func() (walk.Seen, error) {
			before, err := byCode(web)
			if err != nil {
				return nil, err
			}
			before.Expiry = time.Now()
			after, err := seen(web.TokenSource(ctx, before).Token())
			if err == nil {
				after["before"] = before.AccessToken
			}
			return after, err
		},
		"signs a device's person in": func() (walk.Seen, error) {
			cli := &oauth2.Config{ClientID: os.Getenv("CLI"), Endpoint: endpoint, Scopes: []string{walk.API}}
			device, err := cli.DeviceAuth(ctx)
			if err != nil {
				return nil, err
			}
			if err := walk.TypeCode(device.VerificationURI, device.UserCode); err != nil {
				return nil, err
			}
			return seen(cli.DeviceAccessToken(ctx, device))
		},
	})
}
