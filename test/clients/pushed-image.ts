import { imageLayout } from './image.ts'
import type { Session } from './session.ts'

/** An image in the registry for tests of what clients do to it afterwards; `image` names it by digest. */
export async function pushedImage(session: Session, name: string) {
  const layout = await session.folder()
  const { digest } = await imageLayout(layout)
  await session.run('crane', ['push', layout, `${session.host}/${name}:v1`])
  return { digest, image: `${session.host}/${name}@${digest}` }
}
