// Clients of ts-mls behind a pipe: one JSON command per line in, one JSON answer per line out.
// Started with the folder that holds node_modules. Binary values are hexadecimal, MLS structures
// MLSMessages. One process serves any number of clients; each command names the one it is for.
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"

const require = createRequire(process.argv[2] + "/")
const load = (name) => import(pathToFileURL(require.resolve(name)))
const mls = await load("ts-mls")
const { encode } = await load("ts-mls/codec/tlsEncoder.js")
const { decodeVarLenData, varLenDataEncoder } = await load("ts-mls/codec/variableLength.js")
const { createGroupInfo, createGroupInfoWithRatchetTree } = await load("ts-mls/createCommit.js")
const { decodeRatchetTree, ratchetTreeEncoder } = await load("ts-mls/ratchetTree.js")

const hex = (bytes) => Buffer.from(bytes).toString("hex")
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"))
const utf8 = (text) => new TextEncoder().encode(text)
const base64 = (text) => Buffer.from(text, "hex").toString("base64")
const message = (wireformat, fields) =>
  hex(mls.encodeMlsMessage({ version: "mls10", wireformat, ...fields }))
const parse = (text) => mls.decodeMlsMessage(unhex(text), 0)[0]

// ---- cipher suites ----

// What draft-ietf-hpke-pq hashes behind the ikm: "HPKE-v1" || "KEM" || 0x647a ||
// lengthPrefixed("DeriveKeyPair") || I2OSP(32, 2).
const DERIVE_KEY_PAIR = Buffer.concat([
  utf8("HPKE-v1KEM"), unhex("647a"), unhex("000d"), utf8("DeriveKeyPair"), unhex("0020"),
])

// ts-mls's own parts put together as MLKEM768X25519_AES256GCM_SHA384_Ed25519, under a code point
// that ts-mls has no name for.
const xWing = (code) =>
  mls.getCiphersuiteImpl({
    hash: "SHA-384",
    hpke: { kem: "X-Wing", aead: "AES256GCM", kdf: "HKDF-SHA384" },
    signature: "Ed25519",
    name: String(code),
  })

// ts-mls derives X-Wing keys as SHAKE256(ikm, 32). With the labels behind the ikm that same hash is
// the labelled form of draft-ietf-hpke-pq; nothing else of its X-Wing is touched.
const labelled = (impl) => ({
  ...impl,
  hpke: {
    ...impl.hpke,
    deriveKeyPair: (ikm) => impl.hpke.deriveKeyPair(Buffer.concat([ikm, DERIVE_KEY_PAIR])),
  },
})

const byName = (name) => mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(name))
const suites = {
  "X25519-AES128": () => byName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"),
  "X25519-ChaCha20": () => byName("MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519"),
  "X448-AES256": () => byName("MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448"),
  "X448-ChaCha20": () => byName("MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448"),
  "X-Wing as shipped": () => byName("MLS_256_XWING_AES256GCM_SHA512_Ed25519"),
  "X-Wing plain": () => xWing(0xf002),
  "X-Wing labelled": async () => labelled(await xWing(0xf002)),
}
const made = {}
const suite = (name) => (made[name] ??= suites[name]())

// ---- clients ----

// Of each: impl, own (its KeyPackage and the keys behind it), group, psks by base64 of their id.
const clients = new Map()

const pskIndex = (client) => mls.makePskIndex(client.group, client.psks)
const add = (text) => ({ proposalType: "add", add: { keyPackage: parse(text).keyPackage } })
const extensionsOf = (pairs) =>
  pairs.map(([extensionType, data]) => ({ extensionType, extensionData: unhex(data) }))
const pskProposal = ({ kdf, rng }, name) => ({
  proposalType: "psk",
  psk: { preSharedKeyId: { ...name, pskNonce: rng.randomBytes(kdf.size) } },
})
const proposalsOf = (
  { impl, group }, { adds = [], removes = [], psks = [], resumptionEpochs = [], extensions = [] },
) => [
  ...removes.map((removed) => ({ proposalType: "remove", remove: { removed } })),
  ...adds.map(add),
  ...psks.map((id) => pskProposal(impl, { psktype: "external", pskId: unhex(id) })),
  ...resumptionEpochs.map((epoch) =>
    pskProposal(impl, {
      psktype: "resumption",
      usage: "application",
      pskGroupId: group.groupContext.groupId,
      pskEpoch: BigInt(epoch),
    }),
  ),
  ...(extensions.length === 0
    ? []
    : [
        {
          proposalType: "group_context_extensions",
          groupContextExtensions: { extensions: extensionsOf(extensions) },
        },
      ]),
]
const welcomeOf = (commit) =>
  commit.welcome === undefined ? "" : message("mls_welcome", { welcome: commit.welcome })
const treeOf = (group) => hex(encode(ratchetTreeEncoder)(group.ratchetTree))
const treeFrom = (text) => (text ? decodeRatchetTree(unhex(text), 0)[0] : undefined)
// For the calls that would look a suite up by its name.
const onlySuite = ({ impl }) => ({ getCiphersuiteImpl: async () => impl })
// The data of external_pub is a struct with the key in it, so there is a length before the key
// (RFC 9420 section 12.4.3.2). ts-mls 1.6.4 writes and expects the bare key; its later source does
// not. These two put the length there.
const withLength = (key) => encode(varLenDataEncoder)(key)
const takingLength = ({ impl, own }) => {
  const length = own.publicPackage.initKey.length
  const importPublicKey = (key) =>
    impl.hpke.importPublicKey(key.length > length ? decodeVarLenData(key, 0)[0] : key)
  return { ...impl, hpke: { ...impl.hpke, importPublicKey } }
}
const packagesOf = (adds) => adds.map((text) => parse(text).keyPackage)

const commands = {
  async keyPackage(client, { suite: name, identity, notBefore, notAfter, supported }) {
    client.impl = await suite(name)
    client.psks = {}
    const capabilities = mls.defaultCapabilities()
    client.own = await mls.generateKeyPackage(
      { credentialType: "basic", identity: utf8(identity) },
      {
        ...capabilities,
        ciphersuites: [...new Set([...capabilities.ciphersuites, client.impl.name])],
        extensions: [...capabilities.extensions, ...supported],
      },
      { notBefore: BigInt(notBefore), notAfter: BigInt(notAfter) },
      [],
      client.impl,
    )
    return message("mls_key_package", { keyPackage: client.own.publicPackage })
  },

  // The private keys behind the KeyPackage. An Ed25519 key is kept as PKCS #8, whose last 32
  // bytes are the seed.
  async privateKeys({ own: { privatePackage } }) {
    return {
      init_priv: hex(privatePackage.initPrivateKey),
      encryption_priv: hex(privatePackage.hpkePrivateKey),
      signature_priv: hex(privatePackage.signaturePrivateKey.slice(-32)),
    }
  },

  async knowPsk(client, { id, psk }) {
    client.psks[base64(id)] = unhex(psk)
  },

  async create(client, { groupId }) {
    const { publicPackage, privatePackage } = client.own
    client.group = await mls.createGroup(
      unhex(groupId), publicPackage, privatePackage, [], client.impl,
    )
  },

  async join(client, { welcome, tree = "" }) {
    const { publicPackage, privatePackage } = client.own
    client.group = await mls.joinGroup(
      parse(welcome).welcome, publicPackage, privatePackage,
      mls.makePskIndex(undefined, client.psks), client.impl, treeFrom(tree),
    )
  },

  async commit(client, { asPublic, withTree, authenticatedData, ...what }) {
    const made = await mls.createCommit(
      { state: client.group, pskIndex: pskIndex(client), cipherSuite: client.impl },
      {
        extraProposals: proposalsOf(client, what),
        ratchetTreeExtension: withTree,
        wireAsPublicMessage: asPublic,
        authenticatedData: unhex(authenticatedData),
      },
    )
    client.group = made.newState
    return {
      commit: hex(mls.encodeMlsMessage(made.commit)),
      welcome: welcomeOf(made),
      tree: treeOf(made.newState),
    }
  },

  async propose(client, { asPublic, ...what }) {
    const [proposal] = proposalsOf(client, what)
    const made = await mls.createProposal(client.group, asPublic, proposal, client.impl)
    client.group = made.newState
    return hex(mls.encodeMlsMessage(made.message))
  },

  async encrypt(client, { text, authenticatedData }) {
    const made = await mls.createApplicationMessage(
      client.group, unhex(text), client.impl, unhex(authenticatedData),
    )
    client.group = made.newState
    return message("mls_private_message", { privateMessage: made.privateMessage })
  },

  // Not mls.processMessage: in 1.6.4 that looks for no pre-shared key of a PrivateMessage.
  async process(client, { data }) {
    const { publicMessage, privateMessage } = parse(data)
    const received =
      publicMessage === undefined
        ? await mls.processPrivateMessage(client.group, privateMessage, pskIndex(client), client.impl)
        : await mls.processPublicMessage(client.group, publicMessage, pskIndex(client), client.impl)
    client.group = received.newState
    return received.kind === "applicationMessage" ? hex(received.message) : ""
  },

  async extensions({ group }) {
    return group.groupContext.extensions.map((one) => [one.extensionType, hex(one.extensionData)])
  },

  async state({ group, impl }, { label, context, length }) {
    return {
      epoch: Number(group.groupContext.epoch),
      authenticator: hex(group.keySchedule.epochAuthenticator),
      tree: treeOf(group),
      exported: hex(
        await mls.mlsExporter(group.keySchedule.exporterSecret, label, unhex(context), length, impl),
      ),
      active: group.groupActiveState.kind === "active",
    }
  },

  // ---- joining from outside ----

  async groupInfo({ group, impl }, { withTree }) {
    const pair = await impl.hpke.deriveKeyPair(group.keySchedule.externalSecret)
    const key = await impl.hpke.exportPublicKey(pair.publicKey)
    const extensions = [{ extensionType: "external_pub", extensionData: withLength(key) }]
    const { groupContext, confirmationTag, ratchetTree } = group
    const groupInfo = withTree
      ? await createGroupInfoWithRatchetTree(
          groupContext, confirmationTag, group, ratchetTree, extensions, impl,
        )
      : await createGroupInfo(groupContext, confirmationTag, group, extensions, impl)
    return message("mls_group_info", { groupInfo })
  },

  async joinExternally(client, { groupInfo, tree = "", resync }) {
    const { publicPackage, privatePackage } = client.own
    const made = await mls.joinGroupExternal(
      parse(groupInfo).groupInfo, publicPackage, privatePackage, resync,
      takingLength(client), treeFrom(tree),
    )
    client.group = made.newState
    return message("mls_public_message", { publicMessage: made.publicMessage })
  },

  async proposeSelf({ own, impl }, { groupInfo }) {
    const { publicPackage, privatePackage } = own
    const made = await mls.proposeAddExternal(
      parse(groupInfo).groupInfo, publicPackage, privatePackage, impl,
    )
    return hex(mls.encodeMlsMessage(made))
  },

  // ---- one group after another ----

  async reinit(client, { groupId }) {
    const { impl, group } = client
    const made = await mls.reinitGroup(group, unhex(groupId), "mls10", impl.name, [], impl)
    client.group = made.newState
    return hex(mls.encodeMlsMessage(made.commit))
  },

  // The new group of a client whose old one was suspended, with new KeyPackages of all others.
  async createAfterReinit(client, { old, adds, groupId }) {
    const { publicPackage, privatePackage } = client.own
    const made = await mls.reinitCreateNewGroup(
      clients.get(old).group, publicPackage, privatePackage, packagesOf(adds), unhex(groupId),
      client.impl.name, [], onlySuite(client),
    )
    client.group = made.newState
    return { welcome: welcomeOf(made), tree: treeOf(made.newState) }
  },

  async joinAfterReinit(client, { old, welcome, tree = "" }) {
    const { publicPackage, privatePackage } = client.own
    client.group = await mls.joinGroupFromReinit(
      clients.get(old).group, parse(welcome).welcome, publicPackage, privatePackage, treeFrom(tree),
      onlySuite(client),
    )
  },

  async branch(client, { old, adds, groupId }) {
    const { publicPackage, privatePackage } = client.own
    const made = await mls.branchGroup(
      clients.get(old).group, publicPackage, privatePackage, packagesOf(adds), unhex(groupId),
      client.impl,
    )
    client.group = made.newState
    return { welcome: welcomeOf(made), tree: treeOf(made.newState) }
  },

  async joinBranch(client, { old, welcome, tree = "" }) {
    const { publicPackage, privatePackage } = client.own
    client.group = await mls.joinGroupFromBranch(
      clients.get(old).group, parse(welcome).welcome, publicPackage, privatePackage,
      treeFrom(tree), client.impl,
    )
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, client: number, ...rest } = JSON.parse(line)
  if (!clients.has(number)) clients.set(number, {})
  let answer
  try {
    answer = { ok: (await commands[command](clients.get(number), rest)) ?? "" }
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify(answer) + "\n")
}
