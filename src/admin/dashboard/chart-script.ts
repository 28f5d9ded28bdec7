/** Draws the charts of the overview with uPlot, and again when the page is resized or time has passed. */
export const CHART_SCRIPT = `
'use strict'
{
  const CHARTS = {
    requests: { series: [['without upstream', 'hits', '--good'], ['upstream', 'upstreamRequests', '--warn']],
      text: (value) => String(Math.round(value)) },
    bytes: { series: [['to clients', 'servedBytes', '--good'], ['from upstreams', 'upstreamBytes', '--warn']],
      text: size, incrs: Array.from({ length: 50 }, (_, i) => 2 ** i) },
  }
  const EVERY = 30_000
  // As everything on these pages, in UTC.
  const clock = (at) => new Date(at * 1000).toISOString().slice(11, 16)
  // Of the data: uPlot makes a thousand days of a single point.
  const lastOf = ({ data: [times] }) => [Math.min(times[0], times.at(-1) - 600), times.at(-1)]
  const area = $('#traffic')
  // Of the mode that holds, light or dark.
  const resolved = (name) => {
    area.style.color = 'var(' + name + ')'
    const found = getComputedStyle(area).color
    area.style.color = ''
    return found
  }
  const drawn = new Map()

  const draw = (element, points) => {
    const { series, text, incrs } = CHARTS[element.dataset.chart]
    const data = [points.map(({ at }) => Date.parse(at) / 1000), ...series.map(([, key]) => points.map((point) => point[key]))]
    const width = Math.max(200, element.clientWidth)
    const known = drawn.get(element)
    if (known) { known.setSize({ width, height: 200 }); known.setData(data); return }
    const axis = { stroke: resolved('--dim'), grid: { stroke: resolved('--line'), width: 1 }, ticks: { show: false } }
    drawn.set(element, new uPlot({
      width, height: 200, scales: { x: { range: lastOf }, y: { range: (_, low, high) => [0, Math.max(high * 1.05, 1)] } },
      legend: { show: true }, cursor: { drag: { x: false, y: false } },
      axes: [{ ...axis, values: (_, times) => times.map(clock) }, { ...axis, ...(incrs && { incrs }), size: 70, values: (_, values) => values.map((value) => text(value)) }],
      series: [{ label: 'at (UTC)', value: (_, at) => at ? clock(at) : '' },
        ...series.map(([label, , name]) => ({ label, stroke: resolved(name), width: 2, points: { show: points.length < 3 },
          value: (_, value) => value == null ? '' : text(value) }))],
    }, data, element))
  }
  const show = async () => {
    const response = await fetch('api/v1/traffic')
    if (!response.ok) return
    const { points } = await response.json()
    for (const element of area.querySelectorAll('[data-chart]')) draw(element, points)
  }
  if (area && typeof uPlot === 'function') {
    show()
    setInterval(() => { if (!document.hidden) show() }, EVERY)
    new ResizeObserver(() => {
      for (const [element, chart] of drawn) chart.setSize({ width: Math.max(200, element.clientWidth), height: 200 })
    }).observe(area)
  }
}
`
