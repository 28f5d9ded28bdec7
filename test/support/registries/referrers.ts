import { failure } from '../fake-upstream/registry.ts'
import { empty, html, type Layer, partsOf } from './layer.ts'

/** A registry without the referrers API, in one of the ways in which that is said. */
export function noReferrers(how: '404' | 'html 404' | 'html 200' | 'login'): Layer {
  return (request, next) => {
    if (request.target.split('?', 1)[0] === '/login') return html(200, 'Sign in')
    if (partsOf(request.target)?.kind !== 'referrers') return next(request)
    switch (how) {
      case '404':
        return failure(404, 'UNSUPPORTED')
      case 'html 404':
        return html(404, '404 - Not found')
      case 'html 200':
        return html(200, 'Sign in')
      case 'login':
        return empty(303, { Location: '/login?return_to=%2Fv2%2F' })
    }
  }
}

/** The API as it was before filters: `artifactType` is ignored, and not said to be applied. */
export function ignoresArtifactType(): Layer {
  return (request, next) =>
    partsOf(request.target)?.kind === 'referrers'
      ? next({ ...request, target: request.target.split('?', 1)[0]! })
      : next(request)
}
