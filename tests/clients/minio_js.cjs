// Reads a task from standard input, does it with minio-js, prints what came back as JSON.
const crypto = require('crypto')
const fs = require('fs')
const path = require('path')
const Minio = require('minio')

const task = JSON.parse(fs.readFileSync(0, 'utf8'))
const client = new Minio.Client({
  endPoint: task.host, port: task.port, useSSL: task.secure, accessKey: task.access, secretKey: task.secret,
  region: 'us-east-1', pathStyle: true,
})
const bucket = task.bucket

async function digest(stream) {
  const hash = crypto.createHash('sha256')
  let size = 0
  for await (const chunk of stream) { hash.update(chunk); size += chunk.length }
  return { size, sha256: hash.digest('hex') }
}

async function list(prefix, recursive) {
  const found = []
  for await (const entry of client.listObjectsV2(bucket, prefix, recursive)) found.push(entry)
  return found
}

async function main() {
  const seen = { files: {}, keys: {} }
  for (const file of task.files) {
    const name = path.basename(file)
    await client.fPutObject(bucket, `files/${name}`, file, { 'X-Amz-Meta-Who': 'me' })
    seen.files[name] = await digest(await client.getObject(bucket, `files/${name}`))
  }
  for (const key of task.keys) await client.putObject(bucket, `keys/${key}`, Buffer.from(key))
  for (const key of task.keys) seen.keys[key] = (await digest(await client.getObject(bucket, `keys/${key}`))).sha256
  seen.listed = (await list('keys/', true)).map(e => e.name.slice('keys/'.length))
  seen.prefixes = (await list('keys/', false)).filter(e => e.prefix).map(e => e.prefix)
  await client.copyObject(bucket, 'copied', `/${bucket}/files/50000`)
  seen.copied = (await digest(await client.getObject(bucket, 'copied'))).sha256
  seen.part = (await digest(await client.getPartialObject(bucket, 'copied', 100, 200))).sha256
  const url = await client.presignedGetObject(bucket, 'copied', 300)
  const answer = await fetch(url)
  if (answer.status !== 200) throw new Error(`presigned GET: ${answer.status} ${await answer.text()}`)
  seen.presigned = crypto.createHash('sha256').update(Buffer.from(await answer.arrayBuffer())).digest('hex')
  await client.setObjectTagging(bucket, 'copied', { class: 'cat' })
  seen.tags = (await client.getObjectTagging(bucket, 'copied')).flat()
  seen.metadata = (await client.statObject(bucket, 'files/1')).metaData.who
  try { await client.statObject(bucket, 'none') } catch (error) { seen.missing = error.code }
  const names = (await list('', true)).map(e => e.name)
  await client.removeObjects(bucket, names)
  seen.left = (await list('', true)).length
  console.log(JSON.stringify(seen))
}

main().catch(error => { console.error(error); process.exit(1) })
