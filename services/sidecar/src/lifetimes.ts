/** How long a downstream API may take, body included: .NET's HttpClient, on which Microsoft's sidecar stands, waits so long. */
export const downstreamDeadlineMs = 100_000;
