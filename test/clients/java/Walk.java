import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import net.minidev.json.JSONObject;

/** What every program here needs: the CA to trust, a person who says yes, and the telling of what was seen. */
final class Walk {
  static final String API = "api://onbehalf-api/access_as_user";
  static final String APP = "api://onbehalf-api/.default";
  static final String GRAPH = "https://graph.microsoft.com/User.Read";
  static final String CALLBACK = "http://localhost:3000/auth/callback";

  static String here(String name) {
    return System.getenv(name);
  }

  static String read(String name) throws Exception {
    return Files.readString(Path.of(here(name)));
  }

  static X509Certificate certificate(String name) throws Exception {
    try (InputStream file = new FileInputStream(here(name))) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
    }
  }

  static PrivateKey key(String name) throws Exception {
    byte[] der = Base64.getMimeDecoder().decode(read(name).replaceAll("-----[A-Z ]+-----", ""));
    return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(der));
  }

  /** The JVM trusts the emulator's CA, as it would by a trust store. */
  static void trust() throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null);
    store.setCertificateEntry("emulator", certificate("CA_FILE"));
    TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, factory.getTrustManagers(), null);
    SSLContext.setDefault(context);
    HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
  }

  /** Where the emulator, which answers for the person, sends the browser. */
  static URI landing(String url) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
    var answer = HttpClient.newHttpClient().send(request, BodyHandlers.discarding());
    return URI.create(answer.headers().firstValue("location").orElseThrow());
  }

  /** The code on the page that posts itself to the application: response_mode=form_post. */
  static String postedCode(String url) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
    var page = HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body();
    Matcher code = Pattern.compile("name=\"code\" value=\"([^\"]+)\"").matcher(page);
    if (!code.find()) throw new IllegalStateException("there is no code on the page");
    return code.group(1);
  }

  /** The person types a device's code. */
  static void typeCode(String uri, String code) throws Exception {
    String form = "user_code=" + URLEncoder.encode(code, StandardCharsets.UTF_8);
    HttpRequest request = HttpRequest.newBuilder(URI.create(uri))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .POST(HttpRequest.BodyPublishers.ofString(form)).build();
    HttpClient.newHttpClient().send(request, BodyHandlers.discarding());
  }

  /** Runs each flow and prints what it gave; an error is what it gave, too. */
  static void tell(String group, String artifact, Map<String, Callable<Map<String, ?>>> flows) throws Exception {
    Map<String, Object> seen = new LinkedHashMap<>();
    for (var flow : flows.entrySet()) {
      try {
        seen.put(flow.getKey(), flow.getValue().call());
      } catch (Exception error) {
        seen.put(flow.getKey(), Map.of("raised", String.valueOf(error)));
      }
    }
    Properties properties = new Properties();
    String path = "/META-INF/maven/" + group + "/" + artifact + "/pom.properties";
    properties.load(Walk.class.getResourceAsStream(path));
    System.out.println(JSONObject.toJSONString(Map.of("version", properties.getProperty("version"), "flows", seen)));
  }
}
