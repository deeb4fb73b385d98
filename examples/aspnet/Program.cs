// An API with ASP.NET Core: JwtBearer checks Entra's tokens by discovery, the broker gives the token for the next API.
// No test has run it: no machine of this repository has .NET.
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication.JwtBearer;

string Env(string name, string otherwise = "") => Environment.GetEnvironmentVariable(name) ?? otherwise;
var (tenant, audience) = (Env("ENTRA_TENANT_ID"), Env("ENTRA_AUDIENCE"));
var builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseUrls($"http://127.0.0.1:{Env("PORT", "4000")}");
builder.Services.AddHttpClient().AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(options =>
{
    options.Authority = $"{Env("ENTRA_AUTHORITY_HOST", "https://login.microsoftonline.com")}/{tenant}/v2.0";
    options.Audience = audience;
    options.MapInboundClaims = false; // The claims keep their names: scp, tid, name.
    options.SaveToken = true;
    options.TokenValidationParameters.ValidAlgorithms = ["RS256"];
});
builder.Services.AddAuthorizationBuilder().AddPolicy("user", policy => policy
    .RequireClaim("tid", tenant).RequireClaim("ver", "2.0")
    .RequireAssertion(context => (context.User.FindFirst("scp")?.Value ?? "").Split(' ').Contains("access_as_user")));
var app = builder.Build();
app.UseAuthentication().UseAuthorization();

// A token of the next API for the same person, else what the caller must do: RFC 6750.
async Task<(string? Token, int Status, string? Challenge)> OnBehalfOf(HttpClient http, string assertion, string scope)
{
    using var response = await http.PostAsync($"{Env("BROKER_URL")}/oauth2/token", new FormUrlEncodedContent(new Dictionary<string, string>
    {
        ["grant_type"] = "urn:ietf:params:oauth:grant-type:jwt-bearer", ["requested_token_use"] = "on_behalf_of",
        ["assertion"] = assertion, ["scope"] = scope, ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ["client_assertion"] = await File.ReadAllTextAsync(Env("BROKER_ASSERTION_FILE")), // Kubernetes renews it.
    }));
    var body = await response.Content.ReadFromJsonAsync<Dictionary<string, JsonElement>>() ?? [];
    string? Member(string name) => body.TryGetValue(name, out var value) ? value.GetString() : null;
    if (Member("claims") is { } claims) // The caller sends the person to Entra with them.
        return (null, 401, $"Bearer error=\"insufficient_claims\", claims=\"{Convert.ToBase64String(Encoding.UTF8.GetBytes(claims))}\"");
    return Member("error") switch
    {
        null => (Member("access_token"), 200, null),
        "temporarily_unavailable" => (null, 503, null),
        "consent_required" => (null, 403, $"Bearer error=\"insufficient_scope\", scope=\"{audience}/.default\""),
        "interaction_required" or "login_required" or "invalid_grant" => (null, 401, "Bearer error=\"invalid_token\""),
        _ => (null, 500, null),
    };
}

app.MapGet("/me", async (HttpContext context, IHttpClientFactory clients) =>
{
    var http = clients.CreateClient();
    var assertion = context.Request.Headers.Authorization.ToString()["Bearer ".Length..];
    var (token, status, challenge) = await OnBehalfOf(http, assertion, "https://graph.microsoft.com/User.Read");
    if (challenge is not null) context.Response.Headers.WWWAuthenticate = challenge;
    if (token is null) return Results.StatusCode(status); // 503 is an outage, which signs nobody out.
    http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    var me = await http.GetFromJsonAsync<JsonElement>($"{Env("GRAPH_BASE_URL", "https://graph.microsoft.com")}/v1.0/me");
    return Results.Ok(new { hello = context.User.FindFirst("name")?.Value, graph = me.GetProperty("displayName").GetString() });
}).RequireAuthorization("user");
app.Run();
