import type { Endpoint } from '../api/endpoint.ts'
import type { ExtensionRouteId } from '../api/extension.ts'
import type { RouteId } from '../oci/route.ts'
import { base } from './base.ts'
import { deleteBlob, readBlob } from './blobs.ts'
import { listReferrers, listRepositories, listTags } from './lists.ts'
import { deleteManifest, pushManifest, readManifest } from './manifests.ts'
import { appendToUpload, cancelUpload, finishUpload, startUpload, uploadStatus } from './uploads.ts'

/** A route that belongs to no extension. */
export type CoreRouteId = Exclude<RouteId, ExtensionRouteId>

/** The endpoints of the specification, and the catalog, by route; in the order in which `Allow` names their methods. */
export const ENDPOINTS: { readonly [Id in CoreRouteId]: readonly Endpoint<Id>[] } = {
  base: [base],
  catalog: [listRepositories],
  uploads: [startUpload],
  upload: [appendToUpload, finishUpload, uploadStatus, cancelUpload],
  blob: [readBlob, deleteBlob],
  manifest: [readManifest, pushManifest, deleteManifest],
  tags: [listTags],
  referrers: [listReferrers],
}
