import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.util.X509CertUtils;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.auth.*;
import com.nimbusds.oauth2.sdk.id.*;
import com.nimbusds.oauth2.sdk.pkce.*;
import com.nimbusds.oauth2.sdk.token.Tokens;
import com.nimbusds.openid.connect.sdk.*;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;

/** Nimbus' OAuth 2.0 SDK at the emulator, found by its discovery document. */
class NimbusEmulator {
  static OIDCProviderMetadata found;
  static final ClientID web = new ClientID(Walk.here("WEB"));
  static final String scope = "openid offline_access " + Walk.API;

  static ClientAuthentication secret(String app, String value) {
    return new ClientSecretPost(new ClientID(Walk.here(app)), new Secret(value));
  }

  static Tokens ask(ClientAuthentication client, AuthorizationGrant grant, String scope, String... use) throws Exception {
    var request = new TokenRequest.Builder(found.getTokenEndpointURI(), client, grant).scope(Scope.parse(scope));
    if (use.length > 0) request.customParameter("requested_token_use", use);
    // Entra wants it beside the assertion, which RFC 7521 leaves open.
    if (client instanceof PrivateKeyJWT) request.customParameter("client_id", client.getClientID().getValue());
    var answer = OIDCTokenResponseParser.parse(request.build().toHTTPRequest().send());
    if (!answer.indicatesSuccess()) throw new Exception(answer.toErrorResponse().getErrorObject().toString());
    return answer.toSuccessResponse().getTokens();
  }

  static Map<String, Object> seen(Tokens tokens) {
    return new LinkedHashMap<>(Map.of("access_token", tokens.getAccessToken().getValue()));
  }

  static OIDCTokens byCode(Nonce nonce) throws Exception {
    CodeVerifier verifier = new CodeVerifier();
    URI callback = URI.create(Walk.CALLBACK);
    var request = new AuthenticationRequest.Builder(new ResponseType("code"), Scope.parse(scope), web, callback)
        .endpointURI(found.getAuthorizationEndpointURI()).state(new State()).nonce(nonce)
        .codeChallenge(verifier, CodeChallengeMethod.S256).build();
    var answer = AuthenticationResponseParser.parse(Walk.landing(request.toURI().toString())).toSuccessResponse();
    var grant = new AuthorizationCodeGrant(answer.getAuthorizationCode(), callback, verifier);
    return ask(secret("WEB", "web-secret"), grant, scope).toOIDCTokens();
  }

  public static void main(String[] args) throws Exception {
    Walk.trust();
    Issuer issuer = new Issuer(Walk.here("ORIGIN") + "/" + Walk.here("TENANT") + "/v2.0");
    found = OIDCProviderMetadata.resolve(issuer);
    Map<String, Callable<Map<String, ?>>> flows = new LinkedHashMap<>();
    flows.put("gets an app token by secret",
        () -> seen(ask(secret("JOB", "job-secret"), new ClientCredentialsGrant(), Walk.APP)));
    flows.put("gets an app token by certificate", () -> {
      var thumbprint = X509CertUtils.computeSHA256Thumbprint(Walk.certificate("WEB_CERT_FILE"));
      var signed = new PrivateKeyJWT(web, found.getTokenEndpointURI(), JWSAlgorithm.PS256,
          Walk.key("WEB_KEY_FILE"), null, null, thumbprint, null);
      return seen(ask(signed, new ClientCredentialsGrant(), Walk.APP));
    });
    flows.put("signs a person in with PKCE and checks the ID token", () -> {
      Nonce nonce = new Nonce();
      OIDCTokens tokens = byCode(nonce);
      var validator = new IDTokenValidator(issuer, web, JWSAlgorithm.RS256, found.getJWKSetURI().toURL());
      Map<String, Object> seen = seen(tokens);
      seen.put("name", validator.validate(tokens.getIDToken(), nonce).getStringClaim("name"));
      return seen;
    });
    flows.put("refreshes", () -> {
      OIDCTokens before = byCode(new Nonce());
      var after = ask(secret("WEB", "web-secret"), new RefreshTokenGrant(before.getRefreshToken()), Walk.API);
      Map<String, Object> seen = seen(after);
      seen.put("before", before.getAccessToken().getValue());
      return seen;
    });
    flows.put("acts on behalf of a person", () -> {
      var grant = new JWTBearerGrant(SignedJWT.parse(byCode(new Nonce()).getAccessToken().getValue()));
      return seen(ask(secret("API", "api-secret"), grant, Walk.GRAPH, "on_behalf_of"));
    });
    Walk.tell("com.nimbusds", "oauth2-oidc-sdk", flows);
  }
}
