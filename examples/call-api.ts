/** The worker's API: posts a body, or gets without one. Throws what the API says was wrong. */
export async function callApi<Answer>(path: string, body?: object): Promise<Answer> {
  const token = process.env['API_TOKEN']
  const response = await fetch(`${process.env['MCP_WORKER_URL'] ?? 'http://127.0.0.1:8000'}${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  })
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status} ${await response.text()}`)
  return (await response.json()) as Answer
}
