/*
 * Events from Java, by JDBC: emit, many at once, pages, and a consumer.
 *
 *     java -cp postgresql.jar Events.java jdbc:postgresql:app
 */

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;

import org.postgresql.PGConnection;

public class Events
{
	record Event(UUID id, String type, String level, String message) {}

	private final Connection connection;

	Events(Connection connection)
	{
		this.connection = connection;
	}

	/** arguments in named notation, such as "level => ?" */
	private static String arguments(Map<String, ?> columns)
	{
		return columns.keySet().stream()
			.map(name -> name + " => ?" + (name.equals("details") ? "::jsonb" : ""))
			.collect(Collectors.joining(", "));
	}

	private static void bind(PreparedStatement statement, int first, Map<String, ?> columns)
		throws SQLException
	{
		for (Object value : columns.values())
			statement.setObject(first++, value);
	}

	/** write an event and return its id; columns are arguments of eventlog.emit */
	UUID emit(Map<String, ?> columns) throws SQLException
	{
		String sql = "SELECT eventlog.emit(" + arguments(columns) + ")";

		try (PreparedStatement statement = connection.prepareStatement(sql))
		{
			bind(statement, 1, columns);
			try (ResultSet result = statement.executeQuery())
			{
				result.next();
				return result.getObject(1, UUID.class);
			}
		}
	}

	/** write many events in one statement: event_type, level, message */
	void emitMany(List<String[]> events) throws SQLException
	{
		String sql = "INSERT INTO events (event_type, level, message)"
			+ " SELECT * FROM unnest(?::text[], ?::text[], ?::text[])";

		try (PreparedStatement statement = connection.prepareStatement(sql))
		{
			for (int column = 0; column < 3; column++)
			{
				int c = column;

				statement.setArray(c + 1, connection.createArrayOf("text",
					events.stream().map(event -> event[c]).toArray()));
			}
			statement.executeUpdate();
		}
	}

	/** all events of a filter, newest first, a page at a time */
	void pages(Map<String, ?> filter, int pageSize, Consumer<Event> handle) throws SQLException
	{
		String sql = "SELECT id, event_type, level, message FROM eventlog.list("
			+ "page_size => ?, after => ?, " + arguments(filter) + ")";
		UUID after = null;

		try (PreparedStatement statement = connection.prepareStatement(sql))
		{
			for (int n = pageSize; n == pageSize;)
			{
				statement.setInt(1, pageSize);
				statement.setObject(2, after, java.sql.Types.OTHER);
				bind(statement, 3, filter);
				n = 0;
				try (ResultSet result = statement.executeQuery())
				{
					for (; result.next(); n++)
					{
						after = result.getObject(1, UUID.class);
						handle.accept(new Event(after, result.getString(2),
							result.getString(3), result.getString(4)));
					}
				}
			}
		}
	}

	/** hand each event that is owed to `handle` until it returns false; a second
	    delivery is possible */
	void consume(String name, Predicate<Event> handle) throws SQLException
	{
		PGConnection notifications = connection.unwrap(PGConnection.class);

		execute("LISTEN eventlog");
		for (;;)
		{
			List<Long> seqs = new ArrayList<>();

			try (PreparedStatement statement = connection.prepareStatement(
				"SELECT seq, (event).id, (event).event_type, (event).level, (event).message"
				+ " FROM eventlog.fetch(?, 100)"))
			{
				statement.setString(1, name);
				try (ResultSet result = statement.executeQuery())
				{
					while (result.next())
					{
						if (!handle.test(new Event(result.getObject(2, UUID.class),
							result.getString(3), result.getString(4), result.getString(5))))
							return;
						seqs.add(result.getLong(1));
					}
				}
			}
			if (!seqs.isEmpty())
				acknowledge(name, seqs);
			else if (listen(name))
				notifications.getNotifications(30000);
		}
	}

	private void acknowledge(String name, List<Long> seqs) throws SQLException
	{
		try (PreparedStatement statement = connection.prepareStatement("SELECT eventlog.ack(?, ?)"))
		{
			statement.setString(1, name);
			statement.setArray(2, connection.createArrayOf("int8", seqs.toArray()));
			statement.execute();
		}
	}

	/** true: nothing is owed now, and a notification will come */
	private boolean listen(String name) throws SQLException
	{
		try (PreparedStatement statement = connection.prepareStatement("SELECT eventlog.listen(?)"))
		{
			statement.setString(1, name);
			try (ResultSet result = statement.executeQuery())
			{
				return result.next() && result.getBoolean(1);
			}
		}
	}

	void execute(String sql) throws SQLException
	{
		try (var statement = connection.createStatement())
		{
			statement.execute(sql);
		}
	}

	private static Map<String, Object> columns(String... pairs)
	{
		Map<String, Object> columns = new LinkedHashMap<>();

		for (int i = 0; i < pairs.length; i += 2)
			columns.put(pairs[i], pairs[i + 1]);
		return columns;
	}

	public static void main(String[] args) throws SQLException
	{
		try (Connection connection = DriverManager.getConnection(args[0]))
		{
			Events events = new Events(connection);
			List<String[]> many = new ArrayList<>();
			int[] read = {0};

			events.emit(columns("event_type", "example.java", "level", "error",
				"message", "it's \"quoted\"", "details", "{\"attempt\": 1}"));
			for (int n = 0; n < 250; n++)
				many.add(new String[] {"example.java.many", "info", "number " + n});
			events.emitMany(many);
			events.pages(columns("event_type", "example.java"), 100, event -> read[0]++);
			System.out.println("read " + read[0]);

			events.execute("SELECT eventlog.subscribe('example_java', '{error}', 'example.java')");
			events.emit(columns("event_type", "example.java", "level", "error",
				"message", "to be handed out"));
			events.consume("example_java", event ->
			{
				System.out.println("handed out \"" + event.message() + "\"");
				return false;
			});
		}
	}
}
