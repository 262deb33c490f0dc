import { after, before, describe } from 'node:test'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { testBlobs } from './metadata-blobs.ts'
import { testCollection } from './metadata-collection.ts'
import { testCommit } from './metadata-commit.ts'
import { testContents } from './metadata-contents.ts'
import { testFeed } from './metadata-feed.ts'
import { testHiddenTags } from './metadata-hidden-tags.ts'
import { testHistory } from './metadata-history.ts'
import { testJobs } from './metadata-jobs.ts'
import { testLists } from './metadata-lists.ts'
import { testLog } from './metadata-log.ts'
import { testLooseEdges } from './metadata-loose-edges.ts'
import { testManifestList } from './metadata-manifest-list.ts'
import { testManifests } from './metadata-manifests.ts'
import { type GetStore, type MakeMetadataStore, testClock } from './metadata-place.ts'
import { testReferrers } from './metadata-referrers.ts'
import { testRepositories } from './metadata-repositories.ts'
import { testUndelete } from './metadata-undelete.ts'
import { testUploadEnds } from './metadata-upload-ends.ts'
import { testOpening } from './metadata-upload-opening.ts'
import { testUploadTakeovers } from './metadata-upload-takeovers.ts'
import { testUploads } from './metadata-uploads.ts'
import { testVolume } from './metadata-volume.ts'

/**
 * What every driver of the MetadataStore seam must stand. The tests share one store and use repositories of their own, so each also
 * runs beside all that the others left.
 */
export function metadataStoreSuite(name: string, makeStore: MakeMetadataStore): void {
  describe(`${name} as a metadata store`, () => {
    const getStore = openedStore(makeStore)
    describe('commit', () => testCommit(getStore))
    describe('blobs', () => testBlobs(getStore))
    describe('collection', () => testCollection(getStore))
    describe('manifests and tags', () => testManifests(getStore))
    describe('referrers', () => testReferrers(getStore))
    describe('uploads', () => testUploads(getStore))
    describe('uploads that are opened', () => testOpening(getStore))
    describe('uploads that are taken over', () => testUploadTakeovers(getStore))
    describe('ends of uploads', () => testUploadEnds(getStore))
    describe('lists', () => testLists(getStore))
    describe('the change log', () => testLog(getStore))
    describe('the feed', () => testFeed(getStore))
    describe('history', () => testHistory(getStore))
    describe('repositories', () => testRepositories(getStore))
    describe('jobs', () => testJobs(getStore))
    describe('contents', () => testContents(getStore))
    describe('lists of manifests', () => testManifestList(getStore))
    describe('tags of deleted manifests', () => testHiddenTags(getStore))
    describe('edges of deleted manifests', () => testLooseEdges(getStore))
    describe('deleted manifests', () => testUndelete(getStore))
  })
}

/** What every driver of the MetadataStore seam must also stand, but takes long: bounds that only many manifests reach. */
export function metadataVolumeSuite(name: string, makeStore: MakeMetadataStore): void {
  describe(`${name} as a large metadata store`, () => testVolume(openedStore(makeStore)))
}

/** Opens a store before the first test of a suite, and closes it after the last one. */
function openedStore(makeStore: MakeMetadataStore): GetStore {
  let opened: MetadataStore | undefined
  before(async () => {
    opened = await makeStore(testClock)
  })
  after(async () => await opened?.close())
  return () => {
    if (opened === undefined) throw new Error('the store is not open')
    return opened
  }
}
