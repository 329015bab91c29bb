"""The S3 endpoint, judged by boto3: objects, lists, faults, and nothing outside its folder."""

import hashlib
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from sandbox.objects import FolderObjects, KeyTooLong

ODD_KEYS = [
    "..",
    "../../outside",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    "ä b+c?d&e%2F",
    ".",
    "a\\..\\b",
]


@pytest.fixture
def s3(aws, url):
    return aws("s3", f"{url}/s3")


def read(s3, key):
    return s3.get_object(Bucket="emails", Key=key)["Body"].read()


def test_boto3_puts_gets_looks_at_and_deletes_an_object(s3):
    data = os.urandom(2 * 1024 * 1024)
    tag = s3.put_object(Bucket="emails", Key="gomail/1", Body=data)["ETag"]

    assert tag == f'"{hashlib.md5(data).hexdigest()}"'
    assert read(s3, "gomail/1") == data
    assert s3.head_object(Bucket="emails", Key="gomail/1")["ContentLength"] == len(data)
    s3.delete_object(Bucket="emails", Key="gomail/1")
    with pytest.raises(s3.exceptions.NoSuchKey):
        read(s3, "gomail/1")


def test_a_list_comes_in_pages_by_key_and_prefix(s3):
    for key in ("b/3", "a/1", "b/2", "b/1"):
        s3.put_object(Bucket="emails", Key=key, Body=b"x")

    first = s3.list_objects_v2(Bucket="emails", Prefix="b/", MaxKeys=2)
    token = first["NextContinuationToken"]
    second = s3.list_objects_v2(Bucket="emails", Prefix="b/", ContinuationToken=token)

    assert [one["Key"] for one in first["Contents"]] == ["b/1", "b/2"]
    assert first["IsTruncated"]
    assert [one["Key"] for one in second["Contents"]] == ["b/3"]
    assert not second["IsTruncated"]


def test_buckets_do_not_see_each_other(s3):
    s3.put_object(Bucket="emails", Key="k", Body=b"x")

    assert s3.list_objects_v2(Bucket="others")["KeyCount"] == 0


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_is_only_a_name(s3, key):
    s3.put_object(Bucket="emails", Key=key, Body=b"x")

    assert read(s3, key) == b"x"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="emails")["Contents"]] == [key]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_no_key_leads_out_of_the_folder(tmp_path, key):
    objects = FolderObjects(tmp_path / "kept")

    objects.put("emails", key, b"x")

    assert objects.get("emails", key) == b"x"
    assert [one.key for one in objects.listed("emails")] == [key]
    assert [file.parent for file in tmp_path.rglob("*") if file.is_file()] == [
        tmp_path / "kept" / "emails"
    ]
    objects.remove("emails", key)
    assert objects.get("emails", key) is None


def test_a_key_too_long_for_a_file_is_refused(tmp_path):
    objects = FolderObjects(tmp_path)

    with pytest.raises(KeyTooLong):
        objects.put("emails", "k" * 300, b"x")
    assert objects.get("emails", "k" * 300) is None


@pytest.mark.parametrize("bucket", ["..", "%2e%2e", "a", "A-B", ""])
def test_a_bucket_that_is_none_is_refused(http, bucket):
    answer = http.request("PUT", f"/s3/{bucket}/k", content=b"x")

    # A client may rewrite the dots itself; then the path leads nowhere.
    assert answer.status_code in (400, 404)


def test_a_body_that_is_not_what_was_signed_is_refused(http):
    headers = {"X-Amz-Content-Sha256": "0" * 64}

    answer = http.put("/s3/emails/k", content=b"x", headers=headers)

    assert answer.status_code == 400
    assert b"XAmzContentSHA256Mismatch" in answer.content


def test_other_methods_are_refused(http):
    assert http.post("/s3/emails/k").status_code == 405


def test_faults_strike_the_operations_they_are_set_for(http, s3):
    http.put("/faults/s3", json={"error_rate": 1, "status": 503, "operations": ["GetObject"]})
    s3.put_object(Bucket="emails", Key="k", Body=b"x")

    with pytest.raises(ClientError) as failure:
        read(s3, "k")

    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    calls = http.get("/calls").json()["s3"]
    assert calls["operations"] == {"PutObject": 1, "GetObject": 1}
    assert calls["failed"] == {"503": 1}


@contextmanager
def started(*options):
    command = [sys.executable, "-m", "sandbox", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


def test_objects_outlive_a_kill_beside_the_queues(aws, tmp_path):
    data = str(tmp_path / "sandbox.db")
    with started("--data", data) as (_, url):
        aws("s3", f"{url}/s3").put_object(Bucket="emails", Key="gomail/1", Body=b"kept")

    with started("--data", data) as (_, url):
        assert read(aws("s3", f"{url}/s3"), "gomail/1") == b"kept"
    assert (tmp_path / "sandbox.db.s3" / "emails").is_dir()
