"""The constructs that converters are known to get wrong, each with its exact request."""

from __future__ import annotations

from apiloom.catalog.tool import BoundBody, BoundField
from apiloom.model.api import Encoding
from support.bindings import binding, fields, parameter, planned, sent


def test_one_name_in_path_query_and_body_reaches_all_three_places():
    bound = binding(
        "PUT",
        "/pets/{id}",
        parameter("path", "id"),
        parameter("query", "id", argument="id_query"),
        body=BoundBody(
            media_type="application/json",
            required=True,
            fields=(BoundField(argument="id_body", name="id"), BoundField(argument="name", name="name")),
        ),
    )
    made = planned(bound, {"id": 1, "id_query": 2, "id_body": 3, "name": "Tom"})
    assert (made.method, made.origin, made.target) == ("PUT", "https://api.example.com", "/v1/pets/1?id=2")
    assert made.headers == [("Accept", "*/*"), ("Content-Type", "application/json")]
    assert made.body == b'{"id":3,"name":"Tom"}'


def test_a_deep_object_with_an_object_and_a_list_inside():
    bound = binding("GET", "/s", parameter("query", "filter", "deepObject"))
    value = {"status": "open", "owner": {"name": "Ann"}, "tags": ["a", "b"]}
    assert planned(bound, {"filter": value}).target == (
        "/v1/s?filter%5Bstatus%5D=open&filter%5Bowner%5D%5Bname%5D=Ann"
        "&filter%5Btags%5D%5B0%5D=a&filter%5Btags%5D%5B1%5D=b"
    )


def test_a_pipe_delimited_list():
    bound = binding("GET", "/s", parameter("query", "ids", "pipeDelimited", explode=False))
    assert planned(bound, {"ids": [1, 2, 3]}).target == "/v1/s?ids=1%7C2%7C3"


def test_a_parameter_described_by_json_content():
    bound = binding("GET", "/s", parameter("query", "where", media_type="application/json"))
    assert planned(bound, {"where": {"x": 1, "y": ["é"]}}).target == (
        "/v1/s?where=%7B%22x%22%3A1%2C%22y%22%3A%5B%22%C3%A9%22%5D%7D"
    )


def test_a_list_in_a_header():
    bound = binding("GET", "/s", parameter("header", "X-Ids", argument="ids"))
    assert planned(bound, {"ids": [12345678, 90099]}).headers[1] == ("X-Ids", "12345678,90099")


def test_a_list_in_a_cookie():
    bound = binding("GET", "/s", parameter("cookie", "ids", explode=False))
    assert planned(bound, {"ids": ["a", "b"]}).headers[1] == ("Cookie", "ids=a,b")


def test_a_list_in_a_path_keeps_its_commas_bare():
    bound = binding("GET", "/s/{ids}", parameter("path", "ids"))
    assert planned(bound, {"ids": ["a", "b/c", "d,e"]}).target == "/v1/s/a,b%2Fc,d%2Ce"


def test_matrix_and_label_path_styles():
    bound = binding(
        "GET", "/s{m}/x{l}", parameter("path", "m", "matrix", explode=True), parameter("path", "l", "label")
    )
    assert planned(bound, {"m": {"lat": 50, "long": 7.5}, "l": ["a", "b"]}).target == "/v1/s;lat=50;long=7.5/x.a,b"


def test_reserved_characters_allowed_in_a_query():
    bound = binding("GET", "/s", parameter("query", "path", allow_reserved=True), parameter("query", "q"))
    assert planned(bound, {"path": "/a/b:c,d", "q": "/a"}).target == "/v1/s?path=/a/b:c,d&q=%2Fa"


def test_bytes_uploaded_as_they_are():
    assert sent("application/octet-stream", {"body": "AAH/gA=="}, whole="body", binary=True, required=True) == (
        "application/octet-stream",
        b"\x00\x01\xff\x80",
    )


def test_a_file_a_json_part_and_a_list_in_one_multipart_body():
    content_type, body = sent(
        "multipart/form-data",
        {"file": {"data": "AAH/", "filename": "x.png"}, "meta": {"a": 1}, "tags": ["x", "y"]},
        fields=fields(
            file=BoundField(argument="file", name="file", kind="binary", encoding=Encoding(content_type="image/png")),
            meta="json",
            tags="value",
        ),
    )
    assert content_type is not None
    boundary = content_type.removeprefix("multipart/form-data; boundary=")
    assert (
        body
        == (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n'
        ).encode()
        + b"\x00\x01\xff"
        + (
            f"\r\n--{boundary}\r\n"
            'Content-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{"a":1}'
            f"\r\n--{boundary}\r\n"
            'Content-Disposition: form-data; name="tags"\r\n\r\nx'
            f"\r\n--{boundary}\r\n"
            'Content-Disposition: form-data; name="tags"\r\n\r\ny'
            f"\r\n--{boundary}--\r\n"
        ).encode()
    )


def test_a_nested_form_body():
    made = sent(
        "application/x-www-form-urlencoded",
        {"name": "A & B", "address": {"line1": "x", "geo": {"lat": 1.5}}, "tags": ["p", "q"], "active": True},
        fields=fields("name", "address", "tags", "active"),
    )
    assert made[1] == b"name=A%20%26%20B&address%5Bline1%5D=x&address%5Bgeo%5D%5Blat%5D=1.5&tags=p&tags=q&active=true"


def test_a_top_level_list_body():
    assert sent("application/json", {"body": [{"id": 1}, {"id": 2}]}, whole="body") == (
        "application/json",
        b'[{"id":1},{"id":2}]',
    )


def test_a_delete_with_a_body():
    bound = binding(
        "DELETE",
        "/pets",
        parameter("query", "hard"),
        body=BoundBody(media_type="application/json", required=False, fields=fields("ids")),
    )
    made = planned(bound, {"ids": [1, 2], "hard": True})
    assert (made.method, made.target, made.body) == ("DELETE", "/v1/pets?hard=true", b'{"ids":[1,2]}')
    assert planned(bound, {}).body is None


def test_a_constant_query_in_the_path_key():
    bound = binding("POST", "/", parameter("query", "Version"), fixed_query="Action=CreateQueue")
    assert planned(bound, {"Version": "2012-11-05"}).target == "/v1/?Action=CreateQueue&Version=2012-11-05"


def test_null_sets_a_member_to_null_and_leaving_it_out_leaves_it_alone():
    assert sent("application/merge-patch+json", {"note": None}, fields=fields("title", "note")) == (
        "application/merge-patch+json",
        b'{"note":null}',
    )


def test_wide_integers_as_number_and_as_text():
    bound = binding("GET", "/s", parameter("query", "a"), parameter("query", "b"))
    assert planned(bound, {"a": 2**63 + 1, "b": "9007199254740993"}).target == (
        "/v1/s?a=9223372036854775809&b=9007199254740993"
    )
