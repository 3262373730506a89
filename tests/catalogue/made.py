"""Types that users and extensions make, with values of each; and what only queries return.

Law of this file: as `corpus`, whose words it uses. `SETUP` makes the types; every server comes with the extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .corpus import STRINGS, TIMES, Value, beyond, literals, multiranges, not_in_columns, quote, ranges, sql

# ---------------------------------------------------------------- extensions

#: Extensions the test creates, all of which come with every server.
EXTENSIONS: Final = ("hstore", "citext", "ltree", "cube", "seg", "isn", "intarray", "pg_trgm", "btree_gist")

VALUES_OF_EXTENSIONS: Final[Mapping[str, list[Value]]] = {
    "hstore": [
        *literals("", "a=>1", 'a=>NULL, b=>"NULL", c=>""', '"=>"=>","', '"\\""=>"\\\\"', "é=>🐘", '""=>""', "'=>'"),
        *sql("select hstore(array_agg(n::text), array_agg(repeat('x', n))) from generate_series(1, 300) n"),
    ],
    "citext": literals(*STRINGS),
    "ltree": literals("", "a", "Top.Science.Astronomy", "1.2.3", ".".join(["label"] * 1000)),
    "lquery": literals("*", "a", "Top.*{1,2}.!x|y@*%.a"),
    "ltxtquery": literals("a", "a & b", "(a | b@) & !c*%"),
    "cube": literals(
        "(0)",
        "(1.5)",
        "(1,2),(3,4)",
        "(3,4),(1,2)",
        "(1,2),(1,2)",
        "(NaN),(Infinity)",
        "(1e300,5e-324,-0),(1,1,1)",
        "()",
    ),
    "seg": literals("1", "1.50", "1 .. 2.00", "~1", "<1 .. 2", "1 ..", ".. 1"),
    "query_int": literals("1", "1&2", "(1|2)&!3"),
    "ean13": literals("978-0-393-04002-9", "978-0-11-000222-4"),
    "isbn": literals("978-0-393-04002-9"),
    "isbn13": literals("978-0-393-04002-9"),
    "ismn": literals("979-0-060-11561-5"),
    "ismn13": literals("979-0-060-11561-5"),
    "issn": literals("1436-4522"),
    "issn13": literals("1436-4522"),
    "upc": literals("220356483481"),
}

# ---------------------------------------------------------------- types of users

SETUP: Final = """
create schema "Odd Schema";
do $$ begin -- roles are the server's, which may have been given another such database before
  create role "Odd ""Role"" x";
  create role someone;
exception when duplicate_object then null;
end $$;
create type mood as enum ('sad', 'ok', 'happy', '', 'ü🐘', 'it''s', 'a,b', '"q"', 'NULL', '{}', ' ', 'back\\slash',
  '(x)');
create type "Odd Schema"."Odd ""Enum"" x" as enum ('one', 'two');
create domain posint as int4 check (value > 0);
create domain posint2 as posint check (value < 1000);
create domain shorttext as varchar(20);
create domain price as numeric(10, 2) default 0;
create domain ints as int4[];
create domain moods as mood[];
create domain moodless as mood;
create type pair as (a int4, b text);
create type hollow as ();
create type "Odd Schema"."Odd, ""Type"" x" as ("A b" int4, "c""d" text, "é" mood);
create type deep as (p pair, ps pair[], m mood, ms mood[], r int4range, d posint, t timestamptz, n numeric(10, 2),
  e text[], j jsonb);
create type texty as (c regclass, x xml, n int4);
create type money_and_nets as (m money, i inet, p point, b varbit, h "Odd Schema"."Odd, ""Type"" x");
create domain pairdomain as pair;
create table "Odd Schema"."Odd ""Table"" x" (id int4, gone int4, "name of it" text, pairs pair[]);
alter table "Odd Schema"."Odd ""Table"" x" drop column gone;
create type pairs_and_domains as (a ints, b pairdomain, c pairdomain[], d shorttext);
create type floatrange as range (subtype = float8, subtype_diff = float8mi);
create type textrange as range (subtype = text, collation = "C");
create type moodrange as range (subtype = mood);
create type inetrange as range (subtype = inet);
create type pairrange as range (subtype = pair);
create type timerange as range (subtype = time);
create type posintrange as range (subtype = posint);
create type intsrange as range (subtype = int4[]);
create type moneyrange as range (subtype = money);
create domain rangedomain as int4range;
create domain multidomain as int4multirange;
create type bounds as (r floatrange, m floatmultirange, t textrange, rs int4range[]);
create table measured as select n % 3 as a, n % 5 as b from generate_series(1, 1000) n;
create statistics measured_stats (ndistinct, dependencies, mcv) on a, b from measured;
analyze measured;
"""

_TEXTS_IN_ORDER: Final = ["", " ", '"', ",", "NULL", "[", "\\", "a,b", "é", "🐘"]

VALUES_OF_USERS: Final[Mapping[str, list[Value]]] = {
    "mood": literals("sad", "ok", "happy", "", "ü🐘", "it's", "a,b", '"q"', "NULL", "{}", " ", "back\\slash", "(x)"),
    'Odd "Enum" x': literals("one", "two"),
    "posint": literals("1", "2147483647"),
    "posint2": literals("1", "999"),
    "shorttext": literals(*[text for text in STRINGS if len(text) <= 20]),
    "price": literals("0", "0.01", "-99999999.99", "1.10"),
    "ints": [*literals("{}", "{1,2,NULL}"), *not_in_columns(literals("{{1,2},{3,4}}", "[0:1]={7,8}"))],
    "moods": [*literals("{}", '{sad,NULL,"NULL",""}'), *not_in_columns(literals("{{ok},{ok}}"))],
    "moodless": literals("sad", "NULL"),
    "pair": [
        *literals("(,)", '(1,"")', "(-2147483648,NULL)", '(2147483647,"a,b")', "(0,null)"),
        *sql(*[f"row({n}, {quote(text)})" for n, text in enumerate(STRINGS)], "row(null, null)"),
    ],
    "hollow": literals("()"),
    'Odd, "Type" x': [
        *literals("(1,x,ok)", "(,,)"),
        *sql("row(1, '\"', '\"q\"')", "row(2, E'a\\\\b', 'NULL')", "row(3, '', '')"),
    ],
    "deep": [
        *literals("(,,,,,,,,,)"),
        *sql(
            "row(row(1, 'x'), array[row(2, 'y'), null, row(null, null)]::pair[], 'happy', '{NULL,\"NULL\"}', '[1,5)',"
            " 7, '2024-07-01 12:00+00', 1.10, array['a', null, 'NULL', ''], '{\"a\": [1, null]}')",
            "row(row(null, '(\",\\'), '{}', '', '{}', 'empty', 1, '0001-01-01 00:00+00', -0.01, '{{a,b},{c,NULL}}',"
            " 'null')",
        ),
    ],
    "texty": [*literals("(,,)", "(pg_class,<a/>,1)", "(-,,)", '(1,"<?xml version=""1.0""?><a/>",2)')],
    "money_and_nets": [
        *literals("(,,,,)"),
        *sql(
            "row(1.10::money, '10.0.0.1/8', '(1,NaN)', '0101', row(1, 'a', 'ok'))",
            "row('-1'::money, '::1', '(-0,0)', '', null)",
        ),
    ],
    "pairdomain": literals('(1,"")', "(,x)"),
    'Odd "Table" x': [*literals("(,,)"), *sql("row(1, 'x', array[row(1, 'y')]::pair[])", "row(null, '', '{}')")],
    "pairs_and_domains": [
        *literals("(,,,)"),
        *sql(
            "row('{1,NULL}', row(1, 'x'), array[row(2, 'y'), null]::pairdomain[], 'short')",
        ),
        *not_in_columns(sql("row('[2:2]={5}', row(null, ''), '{}', '')")),
    ],
    "floatrange": ranges("-Infinity", "-1.5", "0", "5e-324", "0.1", "Infinity", "NaN"),
    "floatmultirange": multiranges("-Infinity", "-1.5", "0", "5e-324"),
    "textrange": ranges(*_TEXTS_IN_ORDER),
    "textmultirange": multiranges(*_TEXTS_IN_ORDER[:4]),
    "moodrange": ranges("sad", "ok", "happy", "", "a,b", '"q"', "NULL", "back\\slash"),
    "moodmultirange": multiranges("sad", "", "a,b", "NULL"),
    "inetrange": ranges("10.0.0.0/8", "10.0.0.1", "192.168.0.0/16", "::1"),
    "inetmultirange": multiranges("10.0.0.0/8", "10.0.0.1", "192.168.0.0/16", "::1"),
    "pairrange": ranges("(1,a)", "(1,b)", '(2,"x,y")', "(3,)"),
    "pairmultirange": multiranges("(1,a)", "(1,b)", '(2,"x,y")', "(3,)"),
    "timerange": [*ranges(*TIMES[:1], TIMES[2], TIMES[-1]), *beyond("[23:00,24:00]")],
    "timemultirange": [*multiranges(TIMES[0], TIMES[2], TIMES[3], TIMES[-1]), *beyond("{[23:00,24:00]}")],
    "posintrange": ranges("1", "5", "2147483647"),
    "posintmultirange": multiranges("1", "5", "7", "2147483647"),
    "intsrange": ranges("{}", "{1,2}", "{1,3,NULL}", "{5}"),
    "intsmultirange": multiranges("{}", "{1,2}", "{1,3,NULL}", "{5}"),
    "moneyrange": ranges("-1.5", "0", "1234.56"),
    "moneymultirange": multiranges("-1.5", "0", "1", "1234.56"),
    "rangedomain": literals("empty", "[1,5)", "(,)"),
    "multidomain": literals("{}", "{[1,5),[7,9)}"),
    "bounds": [
        *literals("(,,,)"),
        *sql("row('[0,1)', '{[0,1),[2,3]}', '[\",\",a)', array['empty'::int4range, null, '[1,2)'])"),
    ],
    # information_schema
    "cardinal_number": literals("0", "2147483647"),
    "character_data": literals(*STRINGS),
    "sql_identifier": literals("", "a", "n" * 63, "é"),
    "time_stamp": [*literals("2024-07-01 12:00:00.55+00", "0001-01-01 00:00:00+00"), *beyond("infinity")],
    "yes_or_no": literals("YES", "NO"),
}
