import { test } from 'node:test'
import { distribution, testPeer, testPeerOverTls } from './peer.ts'

test('Distribution 3.1.2 gets the verdicts that are recorded for it', (t) => testPeer(t, distribution))

test('Distribution 3.1.2 gets the same verdicts over https', (t) => testPeerOverTls(t, distribution))
