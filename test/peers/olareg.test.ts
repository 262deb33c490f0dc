import { test } from 'node:test'
import { olareg, testPeer, testPeerOverTls } from './peer.ts'

test('olareg 0.2.2 gets the verdicts that are recorded for it', (t) => testPeer(t, olareg))

test('olareg 0.2.2 gets the same verdicts over https', (t) => testPeerOverTls(t, olareg))
