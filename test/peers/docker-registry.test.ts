import { test } from 'node:test'
import { dockerRegistry, testPeer } from './peer.ts'

test('docker-registry 2.8.2 gets the verdicts that are recorded for it', (t) => testPeer(t, dockerRegistry))
