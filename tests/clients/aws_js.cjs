// The scenario of test_aws_sdks.py with the AWS SDK for JavaScript v3: a task on standard input, what was seen on standard output.
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const https = require("https");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const s3 = require("@aws-sdk/client-s3");

const sha = (data) => crypto.createHash("sha256").update(data).digest("hex");

// One call of a presigned address with nothing added: { status, body }.
function fetchRaw(method, url, body) {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith("https") ? https : http).request(url, { method }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => resolve({ status: answer.statusCode, body: Buffer.concat(pieces) }));
    });
    request.on("error", reject);
    if (body) request.setHeader("Content-Length", body.length);
    request.end(body);
  });
}

async function main(task) {
  const Bucket = task.Bucket;
  const client = new s3.S3Client({ region: task.Region, endpoint: task.Endpoint, forcePathStyle: true,
    credentials: { accessKeyId: task.Access, secretAccessKey: task.Secret } });
  const send = (name, input) => client.send(new s3[name + "Command"]({ Bucket, ...input }));
  const read = async (input) => sha(await (await send("GetObject", input)).Body.transformToByteArray());
  const failure = async (work) => { try { await work(); return "none"; } catch (error) { return error.name; } };
  const small = fs.readFileSync(task.Small);
  const large = fs.readFileSync(task.Large);
  const seen = {};

  await send("PutObject", { Key: "small", Body: small, Metadata: { who: "me" }, ContentType: "text/x-test", ChecksumAlgorithm: "SHA256" });
  const head = await send("HeadObject", { Key: "small", ChecksumMode: "ENABLED" });
  seen.head = [head.ContentLength, head.Metadata.who, head.ContentType, head.ChecksumSHA256];
  seen.small = await read({ Key: "small", ChecksumMode: "ENABLED" });
  seen.range = await read({ Key: "small", Range: "bytes=100-299" });
  await new Upload({ client, partSize: 5 << 20,
    params: { Bucket, Key: "large", Body: fs.createReadStream(task.Large), ChecksumAlgorithm: "CRC32C" } }).done();
  seen.large = await read({ Key: "large" });
  const attributes = await send("GetObjectAttributes", { Key: "large", ObjectAttributes: ["ObjectParts", "ObjectSize"] });
  seen.attributes = [attributes.ObjectSize, attributes.ObjectParts.TotalPartsCount];
  await send("CopyObject", { Key: "copy", CopySource: `${Bucket}/large` });
  seen.copy = await read({ Key: "copy" });
  seen.exists = await failure(() => send("PutObject", { Key: "small", Body: small, IfNoneMatch: "*" }));
  seen.absent = await failure(() => send("GetObject", { Key: "absent" }));

  for (const key of task.Keys) await send("PutObject", { Key: key, Body: key });
  seen.listed = [];
  for await (const page of s3.paginateListObjectsV2({ client, pageSize: 3 }, { Bucket, Prefix: "keys/" })) {
    seen.listed.push(...page.Contents.map((object) => object.Key));
  }
  const page = await send("ListObjectsV2", { Prefix: "keys/", Delimiter: "/" });
  seen.prefixes = (page.CommonPrefixes || []).map((each) => each.Prefix);

  const put = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: "presigned" }));
  const answer = await fetchRaw("PUT", put, small);
  const get = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: "presigned" }));
  seen.presigned = [answer.status, sha((await fetchRaw("GET", get)).body)];

  await send("PutObjectTagging", { Key: "small", Tagging: { TagSet: [{ Key: "class", Value: "cat/dog" }] } });
  const tag = (await send("GetObjectTagging", { Key: "small" })).TagSet[0];
  seen.tags = [tag.Key, tag.Value];
  const sealed = await send("PutObject", { Key: "sealed", Body: small, ServerSideEncryption: "AES256" });
  seen.sealed = [sealed.ServerSideEncryption, await read({ Key: "sealed" })];
  if (task.Certificate) {
    // The SDK refuses keys over plain HTTP, as S3 does.
    const key = { SSECustomerAlgorithm: "AES256", SSECustomerKey: Buffer.from("0123456789abcdef0123456789abcdef") };
    await send("PutObject", { Key: "own", Body: small, ...key });
    seen.own = await read({ Key: "own", ...key });
  }

  const names = [];
  for await (const each of s3.paginateListObjectsV2({ client }, { Bucket })) names.push(...each.Contents.map(({ Key }) => ({ Key })));
  const gone = await send("DeleteObjects", { Delete: { Objects: names } });
  seen.deleted = [gone.Deleted.length === names.length, (gone.Errors || []).length];

  await send("PutBucketVersioning", { VersioningConfiguration: { Status: "Enabled" } });
  const first = await send("PutObject", { Key: "v", Body: "one" });
  await send("PutObject", { Key: "v", Body: "two" });
  await send("DeleteObject", { Key: "v" });
  const old = await read({ Key: "v", VersionId: first.VersionId });
  const listed = await send("ListObjectVersions", {});
  seen.versions = [old, listed.Versions.length, listed.DeleteMarkers.length];
  for (const { Key, VersionId } of [...listed.Versions, ...listed.DeleteMarkers]) await send("DeleteObject", { Key, VersionId });
  return seen;
}

main(JSON.parse(fs.readFileSync(0))).then((seen) => console.log(JSON.stringify(seen)), (error) => {
  console.error(error);
  process.exit(1);
});
