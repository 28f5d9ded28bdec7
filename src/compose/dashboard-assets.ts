import { readFile } from 'node:fs/promises'
import type { DashboardAsset } from '../admin/dashboard/assets.ts'

/** uPlot, as its package brings it. */
export function dashboardAssets(): readonly DashboardAsset[] {
  return [
    {
      path: 'uplot.js',
      mediaType: 'text/javascript',
      read: file(import.meta.resolve('uplot/dist/uPlot.iife.min.js')),
    },
    { path: 'uplot.css', mediaType: 'text/css', read: file(import.meta.resolve('uplot/dist/uPlot.min.css')) },
  ]
}

function file(url: string): () => Promise<Buffer> {
  return () => readFile(new URL(url))
}
