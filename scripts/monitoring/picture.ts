import { type Panel, queryText, ROWS } from './panels.ts'
import type { Prometheus, Series } from './prometheus.ts'

const SECONDS = 30
const WINDOW = '10s'
const WIDTH = 1_200
const GAP = 10
const HEIGHT = { stat: 70, timeseries: 150 } as const
const COLOURS = ['#3274d9', '#e0752d', '#56a64b', '#a352cc', '#c4162a', '#8f6f00', '#0a8f8f', '#666666']

interface Line {
  readonly name: string
  readonly points: readonly (readonly [time: number, value: number])[]
}

/** The panels with the last half minute of the run, as SVG: what the queries answer, not how Grafana draws it. */
export async function drawPicture(prometheus: Prometheus): Promise<string> {
  const parts: string[] = []
  let y = GAP
  for (const row of ROWS) {
    parts.push(text(GAP, y + 14, row.title, 14, 'bold'))
    y += 24
    const width = (WIDTH - GAP) / row.panels.length - GAP
    const height = Math.max(...row.panels.map(({ kind }) => HEIGHT[kind]))
    for (const [i, panel] of row.panels.entries()) {
      const body = await drawPanel(prometheus, panel, width, height)
      parts.push(`<g transform="translate(${GAP + i * (width + GAP)} ${y})">${body}</g>`)
    }
    y += height + GAP
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif">
<rect width="${WIDTH}" height="${y}" fill="#f4f5f5"/>
${parts.join('\n')}
</svg>
`
}

async function drawPanel(
  prometheus: Prometheus,
  panel: Panel,
  width: number,
  height: number,
): Promise<string> {
  const frame = `<rect width="${width}" height="${height}" rx="3" fill="#fff" stroke="#ddd"/>${text(8, 18, panel.title, 12, 'bold')}`
  const lines: Line[] = []
  for (const { expr, legend } of panel.queries) {
    const series = await prometheus.queryRange(queryText(expr, WINDOW), SECONDS)
    lines.push(...series.map((one) => lineOf(one, legend)))
  }
  if (panel.kind === 'stat') {
    const value = lines[0]?.points.at(-1)?.[1] ?? Number.NaN
    return frame + text(width / 2, 52, shown(value, panel.unit), 26, 'bold', 'middle')
  }
  return frame + drawLines(lines, panel, width, height)
}

function lineOf({ metric, values }: Series, legend: string): Line {
  const name = legend.replaceAll(/\{\{(\w+)\}\}/g, (_all, label: string) => metric[label] ?? '')
  const points = values.map(([time, value]) => [time, Number(value)] as const)
  return { name, points: points.filter(([, value]) => Number.isFinite(value)) }
}

function drawLines(lines: readonly Line[], { unit }: Panel, width: number, height: number): string {
  const all = lines.flatMap(({ points }) => points)
  const most = Math.max(...all.map(([, value]) => value), 0) || 1
  const end = Math.max(...all.map(([time]) => time))
  const [top, bottom, left, right] = [30, height - 34, 8, width - 8]
  const x = (time: number) => right - ((end - time) / SECONDS) * (right - left)
  const y = (value: number) => bottom - (value / most) * (bottom - top)
  const paths = lines.map(({ points }, i) => {
    const path = points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
    return `<polyline points="${path}" fill="none" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="1.5"/>`
  })
  const axis = `<line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="#ccc"/>`
  const names = lines.slice(0, 6).map(({ name }, i) => {
    const at = left + (i % 3) * ((right - left) / 3)
    const short = name.length > 17 ? `${name.slice(0, 16)}…` : name
    return text(
      at,
      bottom + 13 + Math.floor(i / 3) * 12,
      short,
      9,
      'normal',
      'start',
      COLOURS[i % COLOURS.length],
    )
  })
  return [axis, ...paths, text(right, 18, shown(most, unit), 10, 'normal', 'end', '#666'), ...names].join('')
}

function text(
  x: number,
  y: number,
  words: string,
  size: number,
  weight = 'normal',
  anchor = 'start',
  fill = '#222',
): string {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${fill}">${safe}</text>`
}

function shown(value: number, unit: Panel['unit']): string {
  if (unit === 'bool_yes_no') return value === 1 ? 'yes' : 'no'
  if (unit === 'bytes') return `${(value / 1024 / 1024).toFixed(0)} MiB`
  if (unit === 'percentunit') return `${(value * 100).toFixed(1)} %`
  const number = value.toLocaleString('en', { maximumSignificantDigits: 3 })
  if (unit === 's')
    return value < 1
      ? `${(value * 1_000).toLocaleString('en', { maximumSignificantDigits: 3 })} ms`
      : `${number} s`
  return unit === 'ops' ? `${number} / s` : number
}
