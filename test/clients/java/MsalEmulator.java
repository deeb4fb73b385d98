import com.microsoft.aad.msal4j.*;
import com.nimbusds.oauth2.sdk.pkce.CodeChallenge;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;

/** MSAL Java at the emulator. */
class MsalEmulator {
  static final String authority = Walk.here("ORIGIN") + "/" + Walk.here("TENANT") + "/";
  static final Set<String> api = Set.of(Walk.API);

  static ConfidentialClientApplication app(String id, IClientCredential credential) throws Exception {
    return ConfidentialClientApplication.builder(Walk.here(id), credential)
        .authority(authority).instanceDiscovery(false).build();
  }

  static Map<String, ?> appToken(ConfidentialClientApplication app) throws Exception {
    var parameters = ClientCredentialParameters.builder(Set.of(Walk.APP)).build();
    return seen(app.acquireToken(parameters).get());
  }

  static Map<String, String> seen(IAuthenticationResult result) {
    return Map.of("access_token", result.accessToken());
  }

  static IAuthenticationResult byCode(ConfidentialClientApplication web) throws Exception {
    CodeVerifier verifier = new CodeVerifier();
    var url = web.getAuthorizationRequestUrl(AuthorizationRequestUrlParameters.builder(Walk.CALLBACK, api)
        .codeChallengeMethod("S256")
        .codeChallenge(CodeChallenge.compute(CodeChallengeMethod.S256, verifier).getValue()).build());
    String code = Walk.postedCode(url.toString());
    return web.acquireToken(AuthorizationCodeParameters.builder(code, URI.create(Walk.CALLBACK))
        .scopes(api).codeVerifier(verifier.getValue()).build()).get();
  }

  static Map<String, ?> byDevice() throws Exception {
    var cli = PublicClientApplication.builder(Walk.here("CLI")).authority(authority).instanceDiscovery(false).build();
    return seen(cli.acquireToken(DeviceCodeFlowParameters.builder(api, device -> {
      try {
        Walk.typeCode(device.verificationUri(), device.userCode());
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }).build()).get());
  }

  public static void main(String[] args) throws Exception {
    Walk.trust();
    var web = app("WEB", ClientCredentialFactory.createFromSecret("web-secret"));
    Map<String, Callable<Map<String, ?>>> flows = new LinkedHashMap<>();
    flows.put("gets an app token by secret",
        () -> appToken(app("JOB", ClientCredentialFactory.createFromSecret("job-secret"))));
    flows.put("gets an app token by certificate", () -> appToken(app("WEB",
        ClientCredentialFactory.createFromCertificate(Walk.key("WEB_KEY_FILE"), Walk.certificate("WEB_CERT_FILE")))));
    flows.put("gets an app token by federated assertion",
        () -> appToken(app("WEB", ClientCredentialFactory.createFromClientAssertion(Walk.read("FEDERATED_FILE")))));
    flows.put("redeems a code with PKCE", () -> seen(byCode(web)));
    flows.put("refreshes", () -> {
      var before = byCode(web);
      var after = web.acquireTokenSilently(
          SilentParameters.builder(api, before.account()).forceRefresh(true).build()).get();
      return Map.of("access_token", after.accessToken(), "before", before.accessToken());
    });
    flows.put("acts on behalf of a person", () -> {
      var middle = app("API", ClientCredentialFactory.createFromSecret("api-secret"));
      var person = new UserAssertion(byCode(web).accessToken());
      return seen(middle.acquireToken(OnBehalfOfParameters.builder(Set.of(Walk.GRAPH), person).build()).get());
    });
    flows.put("signs a device's person in", MsalEmulator::byDevice);
    Walk.tell("com.microsoft.azure", "msal4j", flows);
  }
}
