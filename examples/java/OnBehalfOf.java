import com.nimbusds.jose.util.JSONObjectUtils;
import com.sun.net.httpserver.*;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import static java.nio.charset.StandardCharsets.UTF_8;

/** The broker's on-behalf-of grant, and what its refusals mean to a caller. */
class OnBehalfOf {
  interface Handler { void handle(HttpExchange call) throws Exception; }

  static String token(String assertion, String scope) throws Exception {
    var form = Map.of("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "requested_token_use", "on_behalf_of",
        "assertion", assertion, "scope", scope, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion", Files.readString(Path.of(System.getenv("BROKER_ASSERTION_FILE")))); // Kubernetes renews it.
    var text = form.entrySet().stream().map(each -> each.getKey() + "=" + URLEncoder.encode(each.getValue(), UTF_8));
    var request = HttpRequest.newBuilder(URI.create(System.getenv("BROKER_URL") + "/oauth2/token"))
        .timeout(Duration.ofSeconds(10)).header("Content-Type", "application/x-www-form-urlencoded")
        .POST(HttpRequest.BodyPublishers.ofString(text.collect(Collectors.joining("&")))).build();
    var body = send(request);
    if (body.get("claims") instanceof String claims) // The caller sends the person to Entra with them.
      throw new Api.Refusal(401, "Bearer error=\"insufficient_claims\", claims=\"" + Base64.getEncoder().encodeToString(claims.getBytes()) + "\"");
    switch (Objects.toString(body.get("error"), "")) {
      case "": return (String) body.get("access_token");
      case "temporarily_unavailable": throw new Api.Refusal(503, null);
      case "consent_required": throw new Api.Refusal(403, "Bearer error=\"insufficient_scope\", scope=\"" + Api.audience + "/.default\"");
      case "interaction_required", "login_required", "invalid_grant": throw new Api.Refusal(401, "Bearer error=\"invalid_token\"");
      default: throw new Api.Refusal(500, null);
    }
  }

  /** The next API's JSON. */
  static Map<String, Object> get(String path, String token) throws Exception {
    var graph = System.getenv().getOrDefault("GRAPH_BASE_URL", "https://graph.microsoft.com");
    return send(HttpRequest.newBuilder(URI.create(graph + path)).header("Authorization", "Bearer " + token).build());
  }

  static Map<String, Object> send(HttpRequest request) throws Exception {
    try {
      return JSONObjectUtils.parse(Api.http.send(request, HttpResponse.BodyHandlers.ofString()).body());
    } catch (java.io.IOException outage) {
      throw new Api.Refusal(503, null);
    }
  }

  static HttpHandler refusing(Handler handler) {
    return call -> {
      try {
        handler.handle(call);
      } catch (Api.Refusal refusal) {
        if (refusal.status == 503) call.getResponseHeaders().set("Retry-After", "2");
        if (refusal.getMessage() != null) call.getResponseHeaders().set("WWW-Authenticate", refusal.getMessage());
        call.sendResponseHeaders(refusal.status, -1);
      } catch (Exception fault) { call.sendResponseHeaders(500, -1); } finally { call.close(); }
    };
  }
}
