// MSAL Go at the emulator.
package main

import (
	"context"
	"os"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"onbehalf.test/clients/walk"
)

var (
	ctx       = context.Background()
	authority = os.Getenv("ORIGIN") + "/" + os.Getenv("TENANT")
	api       = []string{walk.API}
)

func app(id string, credential confidential.Credential, err error) confidential.Client {
	client, err2 := confidential.New(authority, os.Getenv(id), credential, confidential.WithInstanceDiscovery(false))
	if err != nil || err2 != nil {
		panic([]error{err, err2})
	}
	return client
}

func seen(result confidential.AuthResult, err error) (walk.Seen, error) {
	return walk.Seen{"access_token": result.AccessToken}, err
}

func appToken(client confidential.Client) func() (walk.Seen, error) {
	return func() (walk.Seen, error) { return seen(client.AcquireTokenByCredential(ctx, []string{walk.App})) }
}

func byCode(client confidential.Client) (confidential.AuthResult, error) {
	url, err := client.AuthCodeURL(ctx, os.Getenv("WEB"), walk.Callback, api)
	if err != nil {
		return confidential.AuthResult{}, err
	}
	code := walk.Code(url + "&code_challenge_method=S256&code_challenge=" + walk.Challenge())
	return client.AcquireTokenByAuthCode(ctx, code, walk.Callback, api, confidential.WithChallenge(walk.Verifier))
}

func byDevice() (walk.Seen, error) {
	cli, err := public.New(os.Getenv("CLI"), public.WithAuthority(authority), public.WithInstanceDiscovery(false))
	if err != nil {
		return nil, err
	}
	device, err := cli.AcquireTokenByDeviceCode(ctx, api)
	if err != nil {
		return nil, err
	}
	if err := walk.TypeCode(device.Result.VerificationURL, device.Result.UserCode); err != nil {
		return nil, err
	}
	return seen(device.AuthenticationResult(ctx))
}

func main() {
	secret := func(id, value string) confidential.Client {
		credential, err := confidential.NewCredFromSecret(value)
		return app(id, credential, err)
	}
	web := secret("WEB", "web-secret")
	certificates, key, err := confidential.CertFromPEM(append(walk.Read("WEB_KEY_FILE"), walk.Read("WEB_CERT_FILE")...), "")
	if err != nil {
		panic(err)
	}
	pair, err := confidential.NewCredFromCert(certificates, key)
	federated := confidential.NewCredFromAssertionCallback(
		func(context.Context, confidential.AssertionRequestOptions) (string, error) {
			return string(walk.Read("FEDERATED_FILE")), nil
		})
	walk.Tell("github.com/AzureAD/microsoft-authentication-library-for-go", walk.Flows{
		"gets an app token by secret":              appToken(secret("JOB", "job-secret")),
		"gets an app token by certificate":         appToken(app("WEB", pair, err)),
		"gets an app token by federated assertion": appToken(app("WEB", federated, nil)),
		"redeems a code with PKCE":                 func() (walk.Seen, error) { return seen(byCode(web)) },
		"refreshes": func() (walk.Seen, error) {
			walk.Lifetime(240) // It takes a token with less than five minutes for expired.
			before, err := byCode(web)
			walk.Lifetime(3600)
			if err != nil {
				return nil, err
			}
			after, err := web.AcquireTokenSilent(ctx, api, confidential.WithSilentAccount(before.Account))
			return walk.Seen{"access_token": after.AccessToken, "before": before.AccessToken}, err
		},
		"acts on behalf of a person": func() (walk.Seen, error) {
			person, err := byCode(web)
			if err != nil {
				return nil, err
			}
			return seen(secret("API", "api-secret").AcquireTokenOnBehalfOf(ctx, person.AccessToken, []string{walk.Graph}))
		},
		"signs a device's person in": byDevice,
	})
}
