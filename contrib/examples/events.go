// Events from Go, by pgx: emit, many at once, pages, and a consumer.
//
//	go run events.go postgres:///app
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v4"
)

// Columns are arguments of eventlog.emit, or of the filter of eventlog.list.
type Columns map[string]interface{}

// arguments writes them in named notation, with parameters from $first on.
func arguments(columns Columns, first int) (string, []interface{}) {
	var names []string
	var values []interface{}

	for name, value := range columns {
		names = append(names, fmt.Sprintf("%s => $%d", name, first+len(names)))
		values = append(values, value)
	}
	return strings.Join(names, ", "), values
}

// Emit writes an event and returns its id.
func Emit(ctx context.Context, conn *pgx.Conn, columns Columns) (id string, err error) {
	list, values := arguments(columns, 1)
	err = conn.QueryRow(ctx, "SELECT eventlog.emit("+list+")::text", values...).Scan(&id)
	return id, err
}

// EmitMany writes many events by COPY; each row is event_type, level, message.
func EmitMany(ctx context.Context, conn *pgx.Conn, rows [][]interface{}) (int64, error) {
	return conn.CopyFrom(ctx, pgx.Identifier{"events"},
		[]string{"event_type", "level", "message"}, pgx.CopyFromRows(rows))
}

// Event has the columns that this program reads.
type Event struct {
	ID         string
	Type       string
	Level      string
	OccurredAt time.Time
	Message    *string
}

// Pages calls handle for all events of a filter, newest first, a page at a time.
func Pages(ctx context.Context, conn *pgx.Conn, filter Columns, pageSize int, handle func(Event)) error {
	list, values := arguments(filter, 3)
	sql := `SELECT id::text, event_type, level::text, occurred_at, message
		FROM eventlog.list(page_size => $1, after => $2::uuid, ` + list + `)`
	var after *string

	for {
		rows, err := conn.Query(ctx, sql, append([]interface{}{pageSize, after}, values...)...)
		if err != nil {
			return err
		}
		n := 0
		for rows.Next() {
			var event Event

			if err := rows.Scan(&event.ID, &event.Type, &event.Level, &event.OccurredAt, &event.Message); err != nil {
				rows.Close()
				return err
			}
			after = &event.ID
			n++
			handle(event)
		}
		if err := rows.Err(); err != nil || n < pageSize {
			return err
		}
	}
}

// Consume hands each event that is owed to handle until it returns false.  A
// second delivery is possible.
func Consume(ctx context.Context, conn *pgx.Conn, name string, handle func(seq int64, message string) bool) error {
	if _, err := conn.Exec(ctx, "LISTEN eventlog"); err != nil {
		return err
	}
	for {
		var seqs []int64
		var messages []string
		var quiet bool

		err := conn.QueryRow(ctx, `SELECT coalesce(array_agg(seq ORDER BY seq), '{}'),
				coalesce(array_agg((event).message ORDER BY seq), '{}')
				FROM eventlog.fetch($1, 100)`, name).Scan(&seqs, &messages)
		if err != nil {
			return err
		}
		for i, seq := range seqs {
			if !handle(seq, messages[i]) {
				return nil
			}
		}
		if len(seqs) > 0 {
			if _, err := conn.Exec(ctx, "SELECT eventlog.ack($1, $2)", name, seqs); err != nil {
				return err
			}
			continue
		}
		if err := conn.QueryRow(ctx, "SELECT eventlog.listen($1)", name).Scan(&quiet); err != nil {
			return err
		}
		if quiet {
			wait, cancel := context.WithTimeout(ctx, 30*time.Second)
			_, err = conn.WaitForNotification(wait)
			cancel()
			if err != nil && wait.Err() == nil {
				return err
			}
		}
	}
}

func run(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)

	_, err = Emit(ctx, conn, Columns{"event_type": "example.go", "level": "error",
		"message": `it's "quoted"`, "details": map[string]int{"attempt": 1}})
	if err != nil {
		return err
	}
	var many [][]interface{}
	for n := 0; n < 250; n++ {
		many = append(many, []interface{}{"example.go.many", "info", fmt.Sprintf("number %d", n)})
	}
	if _, err = EmitMany(ctx, conn, many); err != nil {
		return err
	}
	read := 0
	err = Pages(ctx, conn, Columns{"event_type": "example.go"}, 100, func(Event) { read++ })
	if err != nil {
		return err
	}
	fmt.Println("read", read)

	if _, err = conn.Exec(ctx, "SELECT eventlog.subscribe('example_go', '{error}', 'example.go')"); err != nil {
		return err
	}
	_, err = Emit(ctx, conn, Columns{"event_type": "example.go", "level": "error",
		"message": "to be handed out"})
	if err != nil {
		return err
	}
	return Consume(ctx, conn, "example_go", func(seq int64, message string) bool {
		fmt.Printf("handed out %q\n", message)
		return false
	})
}

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
