import type { Digest } from '../../oci/digest.ts'
import type { Conversion, ConversionIndex, LayerFactsIndex } from '../../ports/conversions.ts'
import type { IndexAccess } from '../index/index-access.ts'

export function conversionIndex({
  query,
  transact,
}: Pick<IndexAccess, 'query' | 'transact'>): ConversionIndex {
  return {
    find: (source) => query((sql) => sql.findConversion.get(source) as Conversion | undefined),
    add: (source, { manifest, config }) =>
      transact((sql) => {
        if (Number(sql.addConversion.run(source, manifest, config).changes) === 0) return
        if (Number(sql.addReference.run(source, manifest).changes) > 0) sql.countReference.run(source)
      }),
    async madeOf(sources) {
      const gone = new Set(sources)
      const made = new Set<Digest>()
      for (const source of gone) {
        await query((sql) => {
          const found = sql.findConversion.get(source) as Conversion | undefined
          if (found === undefined) return
          const others = sql.sourcesOf.all(found.manifest) as unknown as readonly {
            readonly source: Digest
          }[]
          if (others.every((other) => gone.has(other.source))) made.add(found.manifest).add(found.config)
        })
      }
      return [...made].filter((digest) => !gone.has(digest))
    },
  }
}

export function layerFactsIndex({ query }: Pick<IndexAccess, 'query'>): LayerFactsIndex {
  return {
    of: (layer) =>
      query((sql) => {
        const row = sql.findLayerFacts.get(layer)
        return (
          row && {
            diffId: row['diffId'] as Digest,
            isGzip: row['isGzip'] === 1,
            isEmpty: row['isEmpty'] === 1,
          }
        )
      }),
    add: (layer, { diffId, isGzip, isEmpty }) =>
      query((sql) => void sql.addLayerFacts.run(layer, diffId, Number(isGzip), Number(isEmpty))),
  }
}
