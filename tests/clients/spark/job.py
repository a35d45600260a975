"""What a Spark user does, against the store through Hadoop's S3A: a task (JSON) on standard input, what was seen on the last line.

Parquet is written by the magic committer, whose multipart uploads become visible at the commit of the job; a pipeline is
trained from it, saved and loaded; files are moved about through the FileSystem API and the shell of Hadoop.
"""

import glob
import json
import os
import sys

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def session(task):
    settings = {
        "spark.jars": ",".join(sorted(glob.glob(task["jars"] + "/*.jar"))),
        "spark.ui.enabled": "false", "spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "2",
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.warehouse.dir": task["folder"], "spark.local.dir": task["folder"],
        "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
        "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
        "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
        "spark.hadoop.fs.s3a.committer.name": "magic",
        "spark.hadoop.fs.s3a.endpoint": task["endpoint"], "spark.hadoop.fs.s3a.endpoint.region": task["region"],
        "spark.hadoop.fs.s3a.access.key": task["access"], "spark.hadoop.fs.s3a.secret.key": task["secret"],
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "spark.hadoop.fs.s3a.path.style.access": "true", "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.buffer.dir": task["folder"],
    }
    builder = SparkSession.builder.master("local[2]").appName("granary")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def tables(spark, root, seen):
    rows = spark.range(20_000).select(
        F.col("id"), (F.col("id") % 7).alias("a"), (F.col("id") % 11).cast("double").alias("b"),
        F.when((F.col("id") % 7) * 2 + F.col("id") % 11 > 11, "cat").otherwise("dog").alias("class"))
    rows.repartition(3).write.partitionBy("class").parquet(root + "/animals")
    rows.limit(10).coalesce(1).write.mode("append").partitionBy("class").parquet(root + "/animals")
    back = spark.read.parquet(root + "/animals")
    seen["rows"] = [back.count(), back.agg(F.sum("id")).first()[0]]
    seen["cats"] = back.where("class = 'cat' and a = 6").count()
    rows.limit(5).write.mode("overwrite").json(root + "/lines")
    rows.limit(3).write.mode("overwrite").json(root + "/lines")
    seen["overwritten"] = spark.read.json(root + "/lines").count()
    return back


def training(data, root, seen):
    pipeline = Pipeline(stages=[StringIndexer(inputCol="class", outputCol="label"),
                                VectorAssembler(inputCols=["a", "b"], outputCol="features"), LogisticRegression(maxIter=20)])
    pipeline.fit(data).write().overwrite().save(root + "/model")
    scored = PipelineModel.load(root + "/model").transform(data)
    seen["accuracy"] = scored.where("label = prediction").count() / scored.count()


def files(spark, root, folder, seen):
    jvm, conf = spark._jvm, spark._jsc.hadoopConfiguration()
    path = lambda text: jvm.org.apache.hadoop.fs.Path(text)
    fs = path(root).getFileSystem(conf)
    with _closing(fs.open(path(root + "/animals/_SUCCESS"))) as stream:
        seen["committer"] = json.loads(bytes(jvm.org.apache.commons.io.IOUtils.toByteArray(stream)).decode())["committer"]
    seen["magic"] = fs.exists(path(root + "/animals/__magic"))
    tree = root + "/tree"
    fs.mkdirs(path(tree + "/a/b"))
    seen["empty"] = [fs.getFileStatus(path(tree + "/a/b")).isDirectory(), len(fs.listStatus(path(tree + "/a/b")))]
    for name in ("one", "two words", "ünï"):
        with _closing(fs.create(path(f"{tree}/a/b/{name}"))) as out:
            out.write(name.encode())
    seen["renamed"] = [fs.rename(path(tree + "/a"), path(tree + "/z")), fs.exists(path(tree + "/a")),
                       sorted(s.getPath().getName() for s in fs.listStatus(path(tree + "/z/b")))]
    seen["glob"] = len(fs.globStatus(path(tree + "/z/*/*o*")))
    seen["removed"] = [fs.delete(path(tree), True), fs.exists(path(tree))]

    shell = jvm.org.apache.hadoop.fs.FsShell(conf)

    def run(*words):
        arguments = spark._sc._gateway.new_array(jvm.java.lang.String, len(words))
        for i, word in enumerate(words):
            arguments[i] = word
        return shell.run(arguments)
    local = os.path.join(folder, "local.bin")
    with open(local, "wb") as out:
        out.write(os.urandom(9 << 20))
    steps = [("-mkdir", "-p", root + "/shell"), ("-put", local, root + "/shell/x"), ("-cp", root + "/shell/x", root + "/shell/y"),
             ("-mv", root + "/shell/y", root + "/shell/z"), ("-test", "-e", root + "/shell/z"),
             ("-get", root + "/shell/z", local + ".back"), ("-du", root + "/shell"), ("-ls", "-R", root + "/shell"),
             ("-rm", "-r", "-skipTrash", root + "/shell")]
    seen["shell"] = [run(*step) for step in steps]
    with open(local, "rb") as one, open(local + ".back", "rb") as other:
        seen["same"] = one.read() == other.read()
    seen["left"] = run("-test", "-e", root + "/shell")


class _closing:
    """close() at the end, for objects of the JVM."""

    def __init__(self, thing):
        self.thing = thing

    def __enter__(self):
        return self.thing

    def __exit__(self, *_):
        self.thing.close()


def main():
    task = json.load(sys.stdin)
    spark = session(task)
    root, seen = f"s3a://{task['bucket']}/spark", {}
    data = tables(spark, root, seen)
    training(data, root, seen)
    files(spark, root, task["folder"], seen)
    print(json.dumps(seen))
    spark.stop()


main()
