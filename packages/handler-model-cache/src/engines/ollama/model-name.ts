/** One spelling for a model's name: the server takes `llama3.2`, `llama3.2:latest` and `library/llama3.2` for the same. */
export function canonicalName(name: string): string {
  const short = withoutDefaults(name)
  const last = short.slice(short.lastIndexOf('/') + 1)
  return (last.includes(':') ? short : `${short}:latest`).toLowerCase()
}

/** As people write it. */
export function shortName(name: string): string {
  return withoutDefaults(name).replace(/:latest$/, '')
}

function withoutDefaults(name: string): string {
  return name.replace(/^registry\.ollama\.ai\//, '').replace(/^library\//, '')
}
