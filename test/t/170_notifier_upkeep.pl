# Upkeep by the notifier: on unless it is told otherwise, of the logs whose owner
# its role is a member of; where it may not, it says so and delivers all the same.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node();
my $receiver = receiver();
query("CREATE ROLE courier LOGIN; CREATE ROLE app; CREATE SCHEMA app AUTHORIZATION app;",
	"SET ROLE app; SELECT eventlog.create_log('app.log', '1 month', retention => '20 years');",
	"CREATE TABLE app.expired PARTITION OF app.log FOR VALUES FROM ('2000-01-01Z') TO ('2000-02-01Z');",
	"INSERT INTO app.log (event_type, occurred_at) VALUES ('a', '2020-01-01Z');",
	"RESET ROLE; GRANT app TO courier; GRANT SELECT ON events TO courier; SET ROLE courier;",
	"SELECT eventlog.subscribe('hook', log => 'events');");

# what the role sets for people's sessions is not for upkeep's
query("ALTER ROLE courier SET default_transaction_read_only = on; ALTER ROLE courier SET statement_timeout = '100ms';",
	"ALTER ROLE courier SET lock_timeout = '1ms'; ALTER ROLE courier SET search_path = pg_temp; ALTER ROLE courier SET client_min_messages = error;",
	"ALTER ROLE courier SET idle_session_timeout = '50ms'");

# a configuration that says nothing of upkeep
my $config = PostgreSQL::Test::Utils::tempdir() . '/notifier.json';
append_to_file($config, encode_json({
	database => $node->connstr('postgres') . ' user=courier', log => 'public.events',
	event_log => { notification => { enabled => JSON::PP::true } }, webhooks => { hook => { url => "$receiver->{url}/hook" } } }));
my $notifier = start_notifier($config, 'hook');
await(sub { query("SELECT problems FROM eventlog.logs WHERE log = 'app.log'::regclass") eq '{}' }, 'it keeps the log that it may keep');
await(sub { notifier_log($notifier) =~ /skipping log public\.events/ }, 'and says which it may not');
query("SELECT eventlog.emit('a')");
await(sub { requests($receiver, '/hook') == 1 }, 'but delivers its events');
is(stop_notifier($notifier), 0, 'done');

# and one that does not want it
query("INSERT INTO app.log (event_type, occurred_at) VALUES ('a', '2019-01-01Z')");
$notifier = start_notifier(write_config({ hook => { url => "$receiver->{url}/hook" } },
	database => $node->connstr('postgres') . ' user=courier', log => 'public.events', maintain => '0', log_level => 'debug'), 'hook');
query("SELECT eventlog.emit('a')");
await(sub { requests($receiver, '/hook') == 2 }, 'without upkeep it delivers, too');
sleep 3;    # it would have begun after one second
is(query("SELECT problems FROM eventlog.logs WHERE log = 'app.log'::regclass"), '{"events in the default partition"}', 'and keeps nothing');
stop_notifier($notifier);

done_testing();
