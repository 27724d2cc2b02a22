/**
 * One spelling for a model's name: the server takes `llama3.2`, `llama3.2:latest`, `library/llama3.2` and `Llama3.2` for the same. Source: ollama
 * types/model/name.go (EqualFold), server/routes.go (getExistingName).
 */
export function canonicalName(name: string): string {
  const short = withoutDefaults(name)
  const last = short.slice(short.lastIndexOf('/') + 1)
  return last.includes(':') ? short : `${short}:latest`
}

/** The same, as people write it. */
export function shortName(name: string): string {
  return withoutDefaults(name).replace(/:latest$/, '')
}

function withoutDefaults(name: string): string {
  return name
    .toLowerCase()
    .replace(/^registry\.ollama\.ai\//, '')
    .replace(/^library\//, '')
}
