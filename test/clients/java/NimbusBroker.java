import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientAuthenticationMethod;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.id.*;
import com.nimbusds.oauth2.sdk.pkce.*;
import com.nimbusds.oauth2.sdk.token.*;
import com.nimbusds.oauth2.sdk.tokenexchange.TokenExchangeGrant;
import com.nimbusds.oauth2.sdk.util.URLUtils;
import com.nimbusds.openid.connect.sdk.*;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;

/** Nimbus' OAuth 2.0 SDK at the broker, found by RFC 8414. */
class NimbusBroker {
  static AuthorizationServerMetadata found;
  static final ClientID web = new ClientID(Walk.here("WEB"));

  /** A client that proves itself by a ServiceAccount's token, of which it is neither the issuer nor the subject. */
  static final class ServiceAccount extends ClientAuthentication {
    final Map<String, List<String>> proof;

    ServiceAccount(String client) throws Exception {
      super(ClientAuthenticationMethod.PRIVATE_KEY_JWT, new ClientID(Walk.here(client)));
      proof = Map.of("client_id", List.of(Walk.here(client)),
          "client_assertion_type", List.of("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
          "client_assertion", List.of(Walk.read(client + "_ASSERTION_FILE")));
    }

    @Override
    public Set<String> getFormParameterNames() {
      return proof.keySet();
    }

    @Override
    public void applyTo(HTTPRequest request) {
      request.setBody(request.getBody() + "&" + URLUtils.serializeParameters(proof));
    }
  }

  static Tokens ask(String client, AuthorizationGrant grant, String scope, String... use) throws Exception {
    var request = new TokenRequest.Builder(found.getTokenEndpointURI(), new ServiceAccount(client), grant);
    if (scope != null) request.scope(Scope.parse(scope));
    if (use.length > 0) request.customParameter("requested_token_use", use);
    var answer = OIDCTokenResponseParser.parse(request.build().toHTTPRequest().send());
    if (!answer.indicatesSuccess()) throw new Exception(answer.toErrorResponse().getErrorObject().toString());
    return answer.toSuccessResponse().getTokens();
  }

  static Map<String, Object> seen(Tokens tokens) {
    return new LinkedHashMap<>(Map.of("access_token", tokens.getAccessToken().getValue()));
  }

  static OIDCTokens signIn(Nonce nonce) throws Exception {
    CodeVerifier verifier = new CodeVerifier();
    URI callback = URI.create(Walk.CALLBACK);
    var request = new AuthenticationRequest.Builder(
        new ResponseType("code"), Scope.parse("openid offline_access " + Walk.API), web, callback)
        .endpointURI(URI.create(Walk.here("AUTHORIZE"))).state(new State()).nonce(nonce)
        .codeChallenge(verifier, CodeChallengeMethod.S256).build();
    var answer = AuthenticationResponseParser.parse(Walk.landing(request.toURI().toString())).toSuccessResponse();
    return ask("WEB", new AuthorizationCodeGrant(answer.getAuthorizationCode(), callback, verifier), null).toOIDCTokens();
  }

  static Tokens exchange() throws Exception {
    Token session = signIn(new Nonce()).getAccessToken();
    return ask("WEB", new TokenExchangeGrant(session, TokenTypeURI.ACCESS_TOKEN), Walk.API);
  }

  static boolean isActive(Token session) throws Exception {
    var request = new TokenIntrospectionRequest(found.getIntrospectionEndpointURI(), new ServiceAccount("WEB"), session);
    return TokenIntrospectionResponse.parse(request.toHTTPRequest().send()).toSuccessResponse().isActive();
  }

  public static void main(String[] args) throws Exception {
    Walk.trust();
    found = AuthorizationServerMetadata.resolve(new Issuer(Walk.here("BROKER")));
    String entra = Walk.here("ORIGIN") + "/" + Walk.here("TENANT");
    Map<String, Callable<Map<String, ?>>> flows = new LinkedHashMap<>();
    flows.put("signs a person in with PKCE and a nonce it checks itself", () -> {
      Nonce nonce = new Nonce();
      OIDCTokens tokens = signIn(nonce);
      var keys = URI.create(entra + "/discovery/v2.0/keys").toURL();
      var validator = new IDTokenValidator(new Issuer(entra + "/v2.0"), web, JWSAlgorithm.RS256, keys);
      Map<String, Object> seen = seen(tokens);
      seen.put("name", validator.validate(tokens.getIDToken(), nonce).getStringClaim("name"));
      return seen;
    });
    flows.put("exchanges the session for an API's token", () -> seen(exchange()));
    flows.put("acts on behalf of the person", () -> {
      var grant = new JWTBearerGrant(SignedJWT.parse(exchange().getAccessToken().getValue()));
      return seen(ask("API", grant, Walk.GRAPH, "on_behalf_of"));
    });
    flows.put("gets an app token", () -> seen(ask("JOB", new ClientCredentialsGrant(), Walk.APP)));
    flows.put("introspects and revokes the session", () -> {
      Token session = signIn(new Nonce()).getAccessToken();
      boolean before = isActive(session);
      var revoke = new TokenRevocationRequest(found.getRevocationEndpointURI(), new ServiceAccount("WEB"), session);
      if (revoke.toHTTPRequest().send().getStatusCode() != 200) throw new Exception("the session is not revoked");
      return Map.of("before", before, "after", isActive(session));
    });
    Walk.tell("com.nimbusds", "oauth2-oidc-sdk", flows);
  }
}
