// golang.org/x/oauth2 at the broker: who it is and other grants go along as parameters.
package main

import (
	"context"
	"net/url"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"onbehalf.test/clients/walk"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	grant         = "urn:ietf:params:oauth:grant-type:"
)

var (
	ctx      = context.Background()
	endpoint = oauth2.Endpoint{AuthURL: os.Getenv("AUTHORIZE"), TokenURL: os.Getenv("BROKER") + "/oauth2/token",
		AuthStyle: oauth2.AuthStyleInParams}
)

func ask(client, scope string, parameters url.Values) (walk.Seen, error) {
	parameters.Set("client_assertion_type", assertionType)
	parameters.Set("client_assertion", string(walk.Read(client+"_ASSERTION_FILE")))
	config := clientcredentials.Config{ClientID: os.Getenv(client), TokenURL: endpoint.TokenURL,
		Scopes: []string{scope}, EndpointParams: parameters, AuthStyle: oauth2.AuthStyleInParams}
	token, err := config.Token(ctx)
	if err != nil {
		return nil, err
	}
	return walk.Seen{"access_token": token.AccessToken, "scope": token.Extra("scope")}, nil
}

func signIn() (*oauth2.Token, error) {
	web := oauth2.Config{ClientID: os.Getenv("WEB"), RedirectURL: walk.Callback, Endpoint: endpoint,
		Scopes: []string{"openid", "offline_access", walk.API}}
	address := web.AuthCodeURL("state", oauth2.S256ChallengeOption(walk.Verifier), oauth2.SetAuthURLParam("nonce", "n"))
	return web.Exchange(ctx, walk.Code(address), oauth2.VerifierOption(walk.Verifier),
		oauth2.SetAuthURLParam("client_assertion_type", assertionType),
		oauth2.SetAuthURLParam("client_assertion", string(walk.Read("WEB_ASSERTION_FILE"))))
}

func exchange() (walk.Seen, error) {
	session, err := signIn()
	if err != nil {
		return nil, err
	}
	return ask("WEB", walk.API, url.Values{"grant_type": {grant + "token-exchange"},
		"subject_token":      {session.AccessToken},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}})
}

func main() {
	walk.Tell("golang.org/x/oauth2", walk.Flows{
		"signs a person in with PKCE and a nonce it checks itself": func() (walk.Seen, error) {
			token, err := signIn()
			if err != nil {
				return nil, err
			}
			return walk.Seen{"access_token": token.AccessToken, "id_token": token.Extra("id_token")}, nil
		},
		"exchanges the session for an API's token": exchange,
		"acts on behalf of the person": func() (walk.Seen, error) {
			person, err := exchange()
			if err != nil {
				return nil, err
			}
			return ask("API", walk.Graph, url.Values{"grant_type": {grant + "jwt-bearer"},
				"assertion": {person["access_token"].(string)}, "requested_token_use": {"on_behalf_of"}})
		},
		"gets an app token": func() (walk.Seen, error) { return ask("JOB", walk.App, url.Values{}) },
	})
}
