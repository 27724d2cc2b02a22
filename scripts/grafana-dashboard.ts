/** Makes deploy/grafana/dashboards/mcp-worker.json of monitoring/panels.ts: `node scripts/grafana-dashboard.ts [--check]`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { type Panel, ROWS } from './monitoring/panels.ts'

const FILE = new URL('../deploy/grafana/dashboards/mcp-worker.json', import.meta.url)
const COLUMNS = 24
const HEIGHT = { stat: 4, timeseries: 8 } as const
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }

const variable = (name: string, query: string, more: object) => ({
  name,
  type: 'query',
  datasource: DATASOURCE,
  query: { query, refId: name },
  refresh: 2,
  sort: 1,
  ...more,
})

function panelOf(panel: Panel, id: number, gridPos: object): object {
  return {
    id,
    type: panel.kind,
    title: panel.title,
    description: panel.description,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
    options:
      panel.kind === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'none', graphMode: 'none' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: panel.queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      instant: panel.kind === 'stat',
      range: panel.kind !== 'stat',
    })),
  }
}

function panels(): object[] {
  const made: object[] = []
  let y = 0
  for (const row of ROWS) {
    made.push({
      id: made.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    })
    const w = COLUMNS / row.panels.length
    const h = Math.max(...row.panels.map(({ kind }) => HEIGHT[kind]))
    for (const [i, panel] of row.panels.entries())
      made.push(panelOf(panel, made.length + 1, { x: i * w, y: y + 1, w, h }))
    y += 1 + h
  }
  return made
}

const dashboard = {
  uid: 'mcp-worker',
  title: 'MCP Worker',
  tags: ['mcp-worker'],
  schemaVersion: 39,
  editable: true,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  timezone: 'browser',
  templating: {
    list: [
      { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' },
      variable('job', 'label_values(mcp_worker_health, job)', { label: 'Job' }),
      variable('instance', 'label_values(mcp_worker_health{job="$job"}, instance)', {
        label: 'Worker',
        multi: true,
        includeAll: true,
        allValue: '.*',
        current: { text: 'All', value: '$__all' },
      }),
    ],
  },
  annotations: { list: [] },
  panels: panels(),
}

const text = `${JSON.stringify(dashboard, null, 2)}\n`
if (process.argv[2] === '--check') {
  if (JSON.stringify(JSON.parse(readFileSync(FILE, 'utf8'))) !== JSON.stringify(dashboard)) {
    throw new Error('the dashboard is not what panels.ts says: run node scripts/grafana-dashboard.ts')
  }
} else writeFileSync(FILE, text)
