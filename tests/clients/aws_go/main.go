// The scenario of test_aws_sdks.py with the AWS SDK for Go v2: a task on standard input, what was seen on standard output.
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

type task struct {
	Endpoint, Access, Secret, Region, Bucket, Certificate, Small, Large string
	Keys                                                                []string
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func code(err error) string {
	var failure smithy.APIError
	if errors.As(err, &failure) {
		return failure.ErrorCode()
	}
	return "none"
}

type run struct {
	task   task
	client *s3.Client
	web    *http.Client
	seen   map[string]any
}

func (r *run) read(input *s3.GetObjectInput) string {
	input.Bucket = &r.task.Bucket
	got, err := r.client.GetObject(context.TODO(), input)
	check(err)
	data, err := io.ReadAll(got.Body)
	check(err)
	return digest(data)
}

func (r *run) objects(small, large []byte) {
	ctx, bucket := context.TODO(), &r.task.Bucket
	_, err := r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("small"), Body: bytes.NewReader(small),
		Metadata: map[string]string{"Who": "me"}, ContentType: aws.String("text/x-test"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	check(err)
	head, err := r.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("small"), ChecksumMode: types.ChecksumModeEnabled})
	check(err)
	r.seen["head"] = []any{*head.ContentLength, head.Metadata["who"], *head.ContentType, *head.ChecksumSHA256}
	r.seen["small"] = r.read(&s3.GetObjectInput{Key: aws.String("small"), ChecksumMode: types.ChecksumModeEnabled})
	r.seen["range"] = r.read(&s3.GetObjectInput{Key: aws.String("small"), Range: aws.String("bytes=100-299")})

	up := manager.NewUploader(r.client, func(u *manager.Uploader) { u.PartSize = 5 << 20 })
	_, err = up.Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("large"), Body: bytes.NewReader(large),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
	check(err)
	r.seen["large"] = r.read(&s3.GetObjectInput{Key: aws.String("large")})
	attributes, err := r.client.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: bucket, Key: aws.String("large"),
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesObjectParts, types.ObjectAttributesObjectSize}})
	check(err)
	r.seen["attributes"] = []any{*attributes.ObjectSize, *attributes.ObjectParts.TotalPartsCount}

	_, err = r.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(r.task.Bucket + "/large")})
	check(err)
	r.seen["copy"] = r.read(&s3.GetObjectInput{Key: aws.String("copy")})
	_, err = r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("small"), Body: bytes.NewReader(small), IfNoneMatch: aws.String("*")})
	r.seen["exists"] = code(err)
	_, err = r.client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("absent")})
	r.seen["absent"] = code(err)
}

func (r *run) keys() {
	ctx, bucket := context.TODO(), &r.task.Bucket
	for _, key := range r.task.Keys {
		_, err := r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(key), Body: bytes.NewReader([]byte(key))})
		check(err)
	}
	listed := []string{}
	pages := s3.NewListObjectsV2Paginator(r.client, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("keys/"), MaxKeys: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		check(err)
		for _, object := range page.Contents {
			listed = append(listed, *object.Key)
		}
	}
	r.seen["listed"] = listed
	page, err := r.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("keys/"), Delimiter: aws.String("/")})
	check(err)
	prefixes := []string{}
	for _, prefix := range page.CommonPrefixes {
		prefixes = append(prefixes, *prefix.Prefix)
	}
	r.seen["prefixes"] = prefixes
}

func (r *run) presigned(small []byte) {
	ctx, bucket := context.TODO(), &r.task.Bucket
	signer := s3.NewPresignClient(r.client)
	put, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("presigned")})
	check(err)
	request, err := http.NewRequest("PUT", put.URL, bytes.NewReader(small))
	check(err)
	for name, values := range put.SignedHeader {
		request.Header[name] = values
	}
	answer, err := r.web.Do(request)
	check(err)
	answer.Body.Close()
	get, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("presigned")})
	check(err)
	got, err := r.web.Get(get.URL)
	check(err)
	data, err := io.ReadAll(got.Body)
	check(err)
	got.Body.Close()
	r.seen["presigned"] = []any{answer.StatusCode, digest(data)}
}

func (r *run) tagsAndKeys(small []byte) {
	ctx, bucket := context.TODO(), &r.task.Bucket
	_, err := r.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: aws.String("small"),
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("class"), Value: aws.String("cat/dog")}}}})
	check(err)
	tags, err := r.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket, Key: aws.String("small")})
	check(err)
	r.seen["tags"] = []any{*tags.TagSet[0].Key, *tags.TagSet[0].Value}
	sealed, err := r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("sealed"), Body: bytes.NewReader(small),
		ServerSideEncryption: types.ServerSideEncryptionAes256})
	check(err)
	r.seen["sealed"] = []any{string(sealed.ServerSideEncryption), r.read(&s3.GetObjectInput{Key: aws.String("sealed")})}
	if r.task.Certificate == "" {
		return // S3 takes keys over TLS only
	}
	secret := []byte("0123456789abcdef0123456789abcdef")
	sum := md5.Sum(secret)
	key, hash := base64.StdEncoding.EncodeToString(secret), base64.StdEncoding.EncodeToString(sum[:])
	_, err = r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("own"), Body: bytes.NewReader(small),
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: &key, SSECustomerKeyMD5: &hash})
	check(err)
	r.seen["own"] = r.read(&s3.GetObjectInput{Key: aws.String("own"), SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: &key, SSECustomerKeyMD5: &hash})
}

func (r *run) removal() {
	ctx, bucket := context.TODO(), &r.task.Bucket
	all := s3.NewListObjectsV2Paginator(r.client, &s3.ListObjectsV2Input{Bucket: bucket})
	names := []types.ObjectIdentifier{}
	for all.HasMorePages() {
		page, err := all.NextPage(ctx)
		check(err)
		for _, object := range page.Contents {
			names = append(names, types.ObjectIdentifier{Key: object.Key})
		}
	}
	gone, err := r.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: names}})
	check(err)
	r.seen["deleted"] = []any{len(gone.Deleted) == len(names), len(gone.Errors)}
}

func (r *run) versions() {
	ctx, bucket := context.TODO(), &r.task.Bucket
	_, err := r.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	check(err)
	first, err := r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("v"), Body: bytes.NewReader([]byte("one"))})
	check(err)
	_, err = r.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("v"), Body: bytes.NewReader([]byte("two"))})
	check(err)
	_, err = r.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("v")})
	check(err)
	old := r.read(&s3.GetObjectInput{Key: aws.String("v"), VersionId: first.VersionId})
	listed, err := r.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket})
	check(err)
	r.seen["versions"] = []any{old, len(listed.Versions), len(listed.DeleteMarkers)}
	for _, version := range listed.Versions {
		_, err = r.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: version.Key, VersionId: version.VersionId})
		check(err)
	}
	for _, marker := range listed.DeleteMarkers {
		_, err = r.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: marker.Key, VersionId: marker.VersionId})
		check(err)
	}
}

func main() {
	r := run{web: &http.Client{}, seen: map[string]any{}}
	check(json.NewDecoder(os.Stdin).Decode(&r.task))
	if r.task.Certificate != "" {
		pem, err := os.ReadFile(r.task.Certificate)
		check(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		r.web.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	}
	r.client = s3.New(s3.Options{Region: r.task.Region, BaseEndpoint: &r.task.Endpoint, UsePathStyle: true, HTTPClient: r.web,
		Credentials: credentials.NewStaticCredentialsProvider(r.task.Access, r.task.Secret, "")})
	small, err := os.ReadFile(r.task.Small)
	check(err)
	large, err := os.ReadFile(r.task.Large)
	check(err)
	r.objects(small, large)
	r.keys()
	r.presigned(small)
	r.tagsAndKeys(small)
	r.removal()
	r.versions()
	check(json.NewEncoder(os.Stdout).Encode(r.seen))
}
