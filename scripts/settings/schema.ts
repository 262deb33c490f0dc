import { keyOf, SETTING_NAMES, type SettingName, settingOf } from '../../src/settings/table.ts'

/** The form of a configuration file as JSON Schema, for editors: docs/operations/stowage.schema.json. In draft 7, which all of them know. */
export function makeSettingsSchema(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration file of Stowage',
    type: ['object', 'null'],
    properties: Object.fromEntries(SETTING_NAMES.map((name) => [keyOf(name), schemaOf(name)])),
    additionalProperties: false,
    definitions: {
      reference: {
        description: `The value of an environment variable is put in the place of \${NAME}`,
        type: 'string',
        pattern: '\\$\\{',
      },
    },
  }
}

function schemaOf(name: SettingName): object {
  const { form, help, default: byDefault, whileRunning } = settingOf(name)
  return {
    description: whileRunning ? `${help}; can change while the server runs` : help,
    anyOf: [form.schema, { $ref: '#/definitions/reference' }],
    ...(byDefault !== undefined && { default: byDefault }),
  }
}
