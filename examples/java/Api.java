import com.nimbusds.jose.*;
import com.nimbusds.jose.jwk.source.*;
import com.nimbusds.jose.proc.*;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.*;
import com.sun.net.httpserver.*;
import java.net.*;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.*;

/** An API in plain Java: Nimbus checks Entra's tokens by the tenant's keys, OnBehalfOf asks the broker for the next API's. */
class Api {
  static final String tenant = System.getenv("ENTRA_TENANT_ID"), audience = System.getenv("ENTRA_AUDIENCE");
  static final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
  static final DefaultJWTProcessor<SecurityContext> tokens = new DefaultJWTProcessor<>();

  /** RFC 6750; without a challenge 503, or 500. */
  static final class Refusal extends Exception {
    final int status;
    Refusal(int status, String challenge) { super(challenge); this.status = status; }
  }

  static JWTClaimsSet check(String token) throws Exception {
    try {
      var claims = tokens.process(token, null);
      if (List.of(Objects.toString(claims.getStringClaim("scp"), "").split(" ")).contains("access_as_user")) return claims;
      throw new Refusal(403, "Bearer error=\"insufficient_scope\", scope=\"access_as_user\"");
    } catch (KeySourceException outage) { // It signs nobody out.
      throw new Refusal(503, null);
    } catch (BadJOSEException | JOSEException | java.text.ParseException forged) {
      throw new Refusal(401, "Bearer error=\"invalid_token\"");
    }
  }

  static void me(HttpExchange call) throws Exception {
    var header = Objects.toString(call.getRequestHeaders().getFirst("Authorization"), "");
    if (!header.startsWith("Bearer ")) throw new Refusal(401, "Bearer");
    var token = header.substring("Bearer ".length());
    var name = check(token).getStringClaim("name");
    var graph = OnBehalfOf.get("/v1.0/me", OnBehalfOf.token(token, "https://graph.microsoft.com/User.Read"));
    var body = JSONObjectUtils.toJSONString(Map.of("hello", name, "graph", graph.get("displayName"))).getBytes();
    call.sendResponseHeaders(200, body.length);
    call.getResponseBody().write(body);
  }

  public static void main(String[] args) throws Exception {
    var host = System.getenv().getOrDefault("ENTRA_AUTHORITY_HOST", "https://login.microsoftonline.com");
    var keys = JWKSourceBuilder.create(URI.create(host + "/" + tenant + "/discovery/v2.0/keys").toURL()).build();
    tokens.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, keys));
    var exact = new JWTClaimsSet.Builder().issuer(host + "/" + tenant + "/v2.0").claim("tid", tenant).claim("ver", "2.0").build();
    tokens.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(audience, exact, Set.of("exp", "nbf", "name")));
    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
    server.createContext("/me", OnBehalfOf.refusing(Api::me));
    server.setExecutor(java.util.concurrent.Executors.newCachedThreadPool());
    server.start();
  }
}
