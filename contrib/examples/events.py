"""Events from Python, by psycopg2: emit, many at once, pages, and a consumer.

    python3 events.py "dbname=app"
"""

import json
import select
import sys

import psycopg2
import psycopg2.extras


def emit(connection, event_type, level="info", **columns):
    """Write an event and return its id; columns are arguments of eventlog.emit."""
    columns.update(event_type=event_type, level=level)
    if "details" in columns:
        columns["details"] = psycopg2.extras.Json(columns["details"])
    arguments = ", ".join(f"{name} => %({name})s" for name in columns)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT eventlog.emit({arguments})", columns)
        return cursor.fetchone()[0]


def emit_many(connection, events):
    """Write many events in one statement: (event_type, level, message)."""
    with connection, connection.cursor() as cursor:
        psycopg2.extras.execute_values(
            cursor, "INSERT INTO events (event_type, level, message) VALUES %s",
            events, page_size=1000)


def pages(connection, page_size=100, **event_filter):
    """All events of a filter, newest first, a page at a time."""
    arguments = "".join(f"{name} => %({name})s, " for name in event_filter)
    after = None
    while True:
        with connection, connection.cursor(
                cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(
                f"SELECT * FROM eventlog.list({arguments}page_size => %(page_size)s,"
                " after => %(after)s)",
                {**event_filter, "page_size": page_size, "after": after})
            page = cursor.fetchall()
        yield from page
        if len(page) < page_size:
            return
        after = page[-1]["id"]


def consume(connection, name, handle):
    """Hand each event that is owed to `handle`; a second delivery is possible."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("LISTEN eventlog")
        while True:
            cursor.execute("SELECT seq, eventlog.to_json(event) FROM eventlog.fetch(%s, 100)",
                           (name,))
            owed = cursor.fetchall()
            if owed:
                for seq, event in owed:
                    if handle(event) is False:
                        return
                cursor.execute("SELECT eventlog.ack(%s, %s::bigint[])",
                               (name, [seq for seq, _ in owed]))
                continue
            cursor.execute("SELECT eventlog.listen(%s)", (name,))
            if cursor.fetchone()[0]:
                select.select([connection], [], [], 30)
                connection.poll()
                connection.notifies.clear()


def main(connstr):
    connection = psycopg2.connect(connstr)
    emit(connection, "example.python", "error", message="it's \"quoted\"",
         details={"attempt": 1})
    emit_many(connection, [("example.python.many", "info", f"number {n}")
                           for n in range(250)])
    print("read", sum(1 for _ in pages(connection, event_type="example.python")))

    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT eventlog.subscribe('example', '{error}', 'example.python')")
    emit(connection, "example.python", "error", message="to be handed out")

    def handle(event):
        print("handed out", json.dumps(event["event"]["message"]))
        return False

    consume(connection, "example", handle)


if __name__ == "__main__":
    main(*sys.argv[1:])
