// A client of ts-mls behind a pipe: one JSON command per line in, one JSON answer per line out.
// Binary values are hexadecimal. Ciphersuite 1.
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"

const require = createRequire(process.env.CLOISTER_TS_MLS + "/")
const mls = await import(pathToFileURL(require.resolve("ts-mls")))
const impl = await mls.getCiphersuiteImpl(
  mls.getCiphersuiteFromName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"),
)
const hex = (bytes) => Buffer.from(bytes).toString("hex")
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"))
const message = (fields) => hex(mls.encodeMlsMessage({ version: "mls10", ...fields }))
const parse = (text) => mls.decodeMlsMessage(unhex(text), 0)[0]
const add = (text) => ({ proposalType: "add", add: { keyPackage: parse(text).keyPackage } })
let own, group

const commands = {
  async keyPackage({ identity, notBefore, notAfter }) {
    own = await mls.generateKeyPackage(
      { credentialType: "basic", identity: new TextEncoder().encode(identity) },
      mls.defaultCapabilities(),
      { notBefore: BigInt(notBefore), notAfter: BigInt(notAfter) },
      [],
      impl,
    )
    return message({ keyPackage: own.publicPackage, wireformat: "mls_key_package" })
  },
  async create({ groupId }) {
    group = await mls.createGroup(unhex(groupId), own.publicPackage, own.privatePackage, [], impl)
    return ""
  },
  async join({ welcome }) {
    group = await mls.joinGroup(
      parse(welcome).welcome, own.publicPackage, own.privatePackage, mls.emptyPskIndex, impl,
    )
    return ""
  },
  async commit({ adds, removes, asPublic }) {
    const extraProposals = [
      ...removes.map((removed) => ({ proposalType: "remove", remove: { removed } })),
      ...adds.map(add),
    ]
    const made = await mls.createCommit(
      { state: group, cipherSuite: impl },
      { extraProposals, ratchetTreeExtension: true, wireAsPublicMessage: asPublic },
    )
    group = made.newState
    const welcome =
      made.welcome === undefined ? "" : message({ welcome: made.welcome, wireformat: "mls_welcome" })
    return { commit: hex(mls.encodeMlsMessage(made.commit)), welcome }
  },
  async propose({ adds, removes, asPublic }) {
    const proposal =
      adds.length > 0 ? add(adds[0]) : { proposalType: "remove", remove: { removed: removes[0] } }
    const made = await mls.createProposal(group, asPublic, proposal, impl)
    group = made.newState
    return hex(mls.encodeMlsMessage(made.message))
  },
  async encrypt({ text }) {
    const made = await mls.createApplicationMessage(group, unhex(text), impl)
    group = made.newState
    return message({ privateMessage: made.privateMessage, wireformat: "mls_private_message" })
  },
  async process({ data }) {
    const received = await mls.processMessage(
      parse(data), group, mls.emptyPskIndex, mls.acceptAll, impl,
    )
    group = received.newState
    return received.kind === "applicationMessage" ? hex(received.message) : ""
  },
  async state() {
    return {
      epoch: Number(group.groupContext.epoch),
      authenticator: hex(group.keySchedule.epochAuthenticator),
      exported: hex(
        await mls.mlsExporter(
          group.keySchedule.exporterSecret, "label", new TextEncoder().encode("context"), 20, impl,
        ),
      ),
    }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line)
  let answer
  try {
    answer = { ok: await commands[command](rest) }
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify(answer) + "\n")
}
