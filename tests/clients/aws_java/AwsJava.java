// The scenario of test_aws_sdks.py with the AWS SDK for Java v2. The task comes as name=value lines on standard input (keys in
// base64), and what was seen goes out as JSON.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.*;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

public class AwsJava {
  final Map<String, String> task = new TreeMap<>();
  final List<String> keys = new ArrayList<>();
  final Map<String, String> seen = new TreeMap<>();  // name to JSON
  final S3Client s3;
  final S3Presigner presigner;
  final String bucket;

  AwsJava() throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      int equals = line.indexOf('=');
      String value = line.substring(equals + 1);
      if (line.startsWith("key=")) keys.add(new String(Base64.getDecoder().decode(value), StandardCharsets.UTF_8));
      else task.put(line.substring(0, equals), value);
    }
    bucket = task.get("Bucket");
    StaticCredentialsProvider who = StaticCredentialsProvider.create(AwsBasicCredentials.create(task.get("Access"), task.get("Secret")));
    URI endpoint = URI.create(task.get("Endpoint"));
    Region region = Region.of(task.get("Region"));
    s3 = S3Client.builder().endpointOverride(endpoint).region(region).credentialsProvider(who).forcePathStyle(true)
        .build();
    presigner = S3Presigner.builder().endpointOverride(endpoint).region(region).credentialsProvider(who)
        .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build()).build();
  }

  static String sha(byte[] data) throws Exception { return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data)); }

  static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }

  static String list(Object... values) {
    return Arrays.stream(values).map(v -> v instanceof String ? quoted((String) v) : String.valueOf(v))
        .collect(Collectors.joining(",", "[", "]"));
  }

  String read(String key) throws Exception { return sha(s3.getObjectAsBytes(r -> r.bucket(bucket).key(key)).asByteArray()); }

  interface Work { void run() throws Exception; }
  static String failure(Work work) throws Exception {
    try {
      work.run();
      return "none";
    } catch (S3Exception error) {
      return error.awsErrorDetails().errorCode();
    }
  }

  void objects(byte[] small, byte[] large) throws Exception {
    s3.putObject(r -> r.bucket(bucket).key("small").metadata(Map.of("who", "me")).contentType("text/x-test")
        .checksumAlgorithm(ChecksumAlgorithm.SHA256), RequestBody.fromBytes(small));
    HeadObjectResponse head = s3.headObject(r -> r.bucket(bucket).key("small").checksumMode(ChecksumMode.ENABLED));
    seen.put("head", list(head.contentLength(), head.metadata().get("who"), head.contentType(), head.checksumSHA256()));
    seen.put("small", quoted(sha(s3.getObjectAsBytes(r -> r.bucket(bucket).key("small").checksumMode(ChecksumMode.ENABLED)).asByteArray())));
    seen.put("range", quoted(sha(s3.getObjectAsBytes(r -> r.bucket(bucket).key("small").range("bytes=100-299")).asByteArray())));

    String upload = s3.createMultipartUpload(r -> r.bucket(bucket).key("large").checksumAlgorithm(ChecksumAlgorithm.CRC32_C)).uploadId();
    List<CompletedPart> parts = new ArrayList<>();
    for (int at = 0; at < large.length; at += 5 << 20) {
      int number = parts.size() + 1;
      byte[] piece = Arrays.copyOfRange(large, at, Math.min(large.length, at + (5 << 20)));
      UploadPartResponse part = s3.uploadPart(r -> r.bucket(bucket).key("large").uploadId(upload).partNumber(number)
          .checksumAlgorithm(ChecksumAlgorithm.CRC32_C), RequestBody.fromBytes(piece));
      parts.add(CompletedPart.builder().partNumber(number).eTag(part.eTag()).checksumCRC32C(part.checksumCRC32C()).build());
    }
    s3.completeMultipartUpload(r -> r.bucket(bucket).key("large").uploadId(upload).multipartUpload(m -> m.parts(parts)));
    seen.put("large", quoted(read("large")));
    GetObjectAttributesResponse attributes = s3.getObjectAttributes(r -> r.bucket(bucket).key("large")
        .objectAttributes(ObjectAttributes.OBJECT_PARTS, ObjectAttributes.OBJECT_SIZE));
    seen.put("attributes", list(attributes.objectSize(), attributes.objectParts().totalPartsCount()));
    s3.copyObject(r -> r.sourceBucket(bucket).sourceKey("large").destinationBucket(bucket).destinationKey("copy"));
    seen.put("copy", quoted(read("copy")));
    seen.put("exists", quoted(failure(() -> s3.putObject(r -> r.bucket(bucket).key("small").ifNoneMatch("*"), RequestBody.fromBytes(small)))));
    seen.put("absent", quoted(failure(() -> read("absent"))));
  }

  void listings() {
    for (String key : keys) s3.putObject(r -> r.bucket(bucket).key(key), RequestBody.fromString(key));
    seen.put("listed", list(s3.listObjectsV2Paginator(r -> r.bucket(bucket).prefix("keys/").maxKeys(3)).contents().stream()
        .map(S3Object::key).toArray()));
    seen.put("prefixes", list(s3.listObjectsV2(r -> r.bucket(bucket).prefix("keys/").delimiter("/")).commonPrefixes().stream()
        .map(CommonPrefix::prefix).toArray()));
  }

  void presigned(byte[] small) throws Exception {
    URL put = presigner.presignPutObject(r -> r.signatureDuration(Duration.ofMinutes(5)).putObjectRequest(p -> p.bucket(bucket).key("presigned"))).url();
    HttpURLConnection connection = (HttpURLConnection) put.openConnection();
    connection.setRequestMethod("PUT");
    connection.setDoOutput(true);
    connection.getOutputStream().write(small);
    int status = connection.getResponseCode();
    URL get = presigner.presignGetObject(r -> r.signatureDuration(Duration.ofMinutes(5)).getObjectRequest(g -> g.bucket(bucket).key("presigned"))).url();
    seen.put("presigned", list(status, sha(get.openStream().readAllBytes())));
  }

  void tagsAndKeys(byte[] small) throws Exception {
    s3.putObjectTagging(r -> r.bucket(bucket).key("small").tagging(t -> t.tagSet(Tag.builder().key("class").value("cat/dog").build())));
    Tag tag = s3.getObjectTagging(r -> r.bucket(bucket).key("small")).tagSet().get(0);
    seen.put("tags", list(tag.key(), tag.value()));
    PutObjectResponse sealed = s3.putObject(r -> r.bucket(bucket).key("sealed").serverSideEncryption(ServerSideEncryption.AES256), RequestBody.fromBytes(small));
    seen.put("sealed", list(sealed.serverSideEncryptionAsString(), read("sealed")));
    if (task.get("Certificate").isEmpty()) return;  // S3 takes keys over TLS only
    byte[] secret = "0123456789abcdef0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    String key = Base64.getEncoder().encodeToString(secret);
    String hash = Base64.getEncoder().encodeToString(MessageDigest.getInstance("MD5").digest(secret));
    s3.putObject(r -> r.bucket(bucket).key("own").sseCustomerAlgorithm("AES256").sseCustomerKey(key).sseCustomerKeyMD5(hash), RequestBody.fromBytes(small));
    seen.put("own", quoted(sha(s3.getObjectAsBytes(r -> r.bucket(bucket).key("own").sseCustomerAlgorithm("AES256").sseCustomerKey(key)
        .sseCustomerKeyMD5(hash)).asByteArray())));
  }

  void removals() throws Exception {
    List<ObjectIdentifier> all = s3.listObjectsV2Paginator(r -> r.bucket(bucket)).contents().stream()
        .map(o -> ObjectIdentifier.builder().key(o.key()).build()).collect(Collectors.toList());
    DeleteObjectsResponse gone = s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(all)));
    seen.put("deleted", list(gone.deleted().size() == all.size(), gone.errors().size()));
    s3.putBucketVersioning(r -> r.bucket(bucket).versioningConfiguration(v -> v.status(BucketVersioningStatus.ENABLED)));
    String first = s3.putObject(r -> r.bucket(bucket).key("v"), RequestBody.fromString("one")).versionId();
    s3.putObject(r -> r.bucket(bucket).key("v"), RequestBody.fromString("two"));
    s3.deleteObject(r -> r.bucket(bucket).key("v"));
    String old = sha(s3.getObjectAsBytes(r -> r.bucket(bucket).key("v").versionId(first)).asByteArray());
    ListObjectVersionsResponse listed = s3.listObjectVersions(r -> r.bucket(bucket));
    seen.put("versions", list(old, listed.versions().size(), listed.deleteMarkers().size()));
    for (ObjectVersion each : listed.versions()) s3.deleteObject(r -> r.bucket(bucket).key(each.key()).versionId(each.versionId()));
    for (DeleteMarkerEntry each : listed.deleteMarkers()) s3.deleteObject(r -> r.bucket(bucket).key(each.key()).versionId(each.versionId()));
  }

  public static void main(String[] arguments) throws Exception {
    AwsJava run = new AwsJava();
    byte[] small = Files.readAllBytes(Path.of(run.task.get("Small")));
    run.objects(small, Files.readAllBytes(Path.of(run.task.get("Large"))));
    run.listings();
    run.presigned(small);
    run.tagsAndKeys(small);
    run.removals();
    System.out.println(run.seen.entrySet().stream().map(e -> quoted(e.getKey()) + ":" + e.getValue()).collect(Collectors.joining(",", "{", "}")));
  }
}
