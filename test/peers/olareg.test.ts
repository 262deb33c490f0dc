import { test } from 'node:test'
import { olareg, testPeer } from './peer.ts'

test('olareg 0.2.2 gets the verdicts that are recorded for it', (t) => testPeer(t, olareg))
