import type { Extension } from '../../api/extension.ts'
import { changeListEndpoints } from './change-list.ts'
import { CHANGE_STREAM_SCHEMAS, changeStreamEndpoints } from './change-stream.ts'
import { contentDataEndpoint } from './content-data.ts'
import { contentLocationsEndpoints, LOCATION_SCHEMAS } from './content-locations.ts'
import { FEED_SCHEMAS } from './feed.ts'
import { MANIFEST_LIST_SCHEMAS } from './listed-manifest.ts'
import { manifestListEndpoint } from './manifest-list.ts'
import { manifestPurgeEndpoint } from './manifest-purge.ts'
import { MANIFEST_UNDELETE_SCHEMAS, manifestUndeleteEndpoint } from './manifest-undelete.ts'
import { PAST_TAGS_SCHEMAS, pastTagsEndpoint } from './past-tags.ts'
import { REPOSITORY_DELETION_SCHEMAS, repositoryDeletionEndpoints } from './repository-deletion.ts'
import { REPOSITORY_LIST_SCHEMAS, repositoryListEndpoints } from './repository-list.ts'
import { TAG_HISTORY_SCHEMAS, tagHistoryEndpoint } from './tag-history.ts'
import { TAG_ROLLBACK_SCHEMAS, tagRollbackEndpoint } from './tag-rollback.ts'

/** Stowage's own namespace, which makes all content of a registry discoverable. Each component has a page in `docs/extensions`. */
export const stowageExtension: Extension = {
  name: 'stowage',
  description:
    'Lists of manifests and repositories, tag history, undelete and rollback, a change feed, and content by digest',
  // A reserved name until the pages are published somewhere.
  url: 'https://stowage.example/docs/extensions',
  endpoints: [
    manifestListEndpoint,
    ...repositoryListEndpoints,
    tagHistoryEndpoint,
    pastTagsEndpoint,
    tagRollbackEndpoint,
    manifestUndeleteEndpoint,
    manifestPurgeEndpoint,
    ...repositoryDeletionEndpoints,
    ...changeListEndpoints,
    ...changeStreamEndpoints,
    contentDataEndpoint,
    ...contentLocationsEndpoints,
  ],
  schemas: {
    ...MANIFEST_LIST_SCHEMAS,
    ...REPOSITORY_LIST_SCHEMAS,
    ...TAG_HISTORY_SCHEMAS,
    ...PAST_TAGS_SCHEMAS,
    ...TAG_ROLLBACK_SCHEMAS,
    ...MANIFEST_UNDELETE_SCHEMAS,
    ...REPOSITORY_DELETION_SCHEMAS,
    ...FEED_SCHEMAS,
    ...CHANGE_STREAM_SCHEMAS,
    ...LOCATION_SCHEMAS,
  },
}
