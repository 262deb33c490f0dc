import { test } from 'node:test'
import { distribution, testPeer } from './peer.ts'

test('Distribution 3.1.2 gets the verdicts that are recorded for it', (t) => testPeer(t, distribution))
