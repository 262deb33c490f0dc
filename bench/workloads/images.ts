import { seedImage } from '../seed.ts'
import { type Case, type Family, generated, takeIds } from '../workload.ts'
import { APP } from './small-reads.ts'

const MAIN_CLIENTS = 16
/** More than any case pushes. */
const IDS = 1_000_000

/** Whole pushes of small images: POST and PUT of a layer, POST and PUT of a config, PUT of a manifest with a tag. */
export const IMAGES: readonly Family[] = [1, 1000].map((repositories) => {
  const places = repositories === 1 ? 'one repository' : `${repositories.toLocaleString('en')} repositories`
  const name = `push-image/${repositories}`
  const names = Array.from({ length: repositories }, (_, index) => `bench/app-${index}`)
  return {
    name,
    readOnly: false,
    async seed() {},
    cases: [1, 16, 64].map(
      (clients): Case => ({
        name: `${name}/${clients}`,
        label: `push of small images into ${places}, ${clients} ${clients === 1 ? 'client' : 'clients'}`,
        unit: 'image',
        isMain: clients === MAIN_CLIENTS,
        load: generated(() => imagePlan({ clients, repositories: names, pullsOfFour: 0 })),
      }),
    ),
  }
})

/** Small images, three pulls for each push; a pull is GET of manifest, config and layer. */
export const MIXED: Family = {
  name: 'mixed',
  readOnly: false,
  seed: async (seeder) => await seedImage(seeder, APP, APP.image),
  cases: [
    {
      name: `mixed/${MAIN_CLIENTS}`,
      label: `small images, 75 % pulls and 25 % pushes, ${MAIN_CLIENTS} clients`,
      unit: 'image',
      isMain: true,
      load: generated(() =>
        imagePlan({ clients: MAIN_CLIENTS, repositories: ['bench/app-0'], pullsOfFour: 3 }),
      ),
    },
  ],
}

function imagePlan(plan: { clients: number; repositories: readonly string[]; pullsOfFour: number }) {
  return { kind: 'images', ...plan, firstId: takeIds(IDS) } as const
}
