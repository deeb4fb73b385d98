// azidentity at the emulator.
package main

import (
	"context"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"onbehalf.test/clients/walk"
)

var (
	ctx     = context.Background()
	options = azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: os.Getenv("ORIGIN")}}
	tenant  = os.Getenv("TENANT")
)

func ask(credential azcore.TokenCredential, err error, scope string) (walk.Seen, error) {
	if err != nil {
		return nil, err
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	return walk.Seen{"access_token": token.Token}, err
}

func main() {
	walk.Tell("github.com/Azure/azure-sdk-for-go/sdk/azidentity", walk.Flows{
		"gets an app token by secret": func() (walk.Seen, error) {
			with := azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true}
			credential, err := azidentity.NewClientSecretCredential(tenant, os.Getenv("JOB"), "job-secret", &with)
			return ask(credential, err, walk.App)
		},
		"gets an app token by certificate": func() (walk.Seen, error) {
			pem := append(walk.Read("WEB_KEY_FILE"), walk.Read("WEB_CERT_FILE")...)
			certificates, key, err := azidentity.ParseCertificates(pem, nil)
			if err != nil {
				return nil, err
			}
			with := azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true}
			credential, err := azidentity.NewClientCertificateCredential(tenant, os.Getenv("WEB"), certificates, key, &with)
			return ask(credential, err, walk.App)
		},
		"gets an app token by federated assertion": func() (walk.Seen, error) {
			with := azidentity.WorkloadIdentityCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true,
				TenantID: tenant, ClientID: os.Getenv("WEB"), TokenFilePath: os.Getenv("FEDERATED_FILE")}
			credential, err := azidentity.NewWorkloadIdentityCredential(&with)
			return ask(credential, err, walk.App)
		},
		"acts on behalf of a person": func() (walk.Seen, error) {
			with := azidentity.OnBehalfOfCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true}
			credential, err := azidentity.NewOnBehalfOfCredentialWithSecret(tenant, os.Getenv("API"),
				string(walk.Read("USER_TOKEN_FILE")), "api-secret", &with)
			return ask(credential, err, walk.Graph)
		},
		"signs a device's person in": func() (walk.Seen, error) {
			with := azidentity.DeviceCodeCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true,
				TenantID: tenant, ClientID: os.Getenv("CLI"),
				UserPrompt: func(_ context.Context, message azidentity.DeviceCodeMessage) error {
					return walk.TypeCode(message.VerificationURL, message.UserCode)
				}}
			credential, err := azidentity.NewDeviceCodeCredential(&with)
			return ask(credential, err, walk.API)
		},
	})
}
