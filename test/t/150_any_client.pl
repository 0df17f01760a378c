# Any SQL client can be a consumer: the manual's loop, run by a driver that
# knows nothing of the extension.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node();
query("SELECT eventlog.subscribe('mine', event_type => 'mine.')");

my $out = PostgreSQL::Test::Utils::tempdir() . '/out';
append_to_file($out, '');
my $client = Notifier::spawn($out, 'node', 'test/clients/consume.js', 'mine', $node->host, $node->port);
sub lines { return scalar(grep { $_ =~ $_[0] } split /\n/, slurp_file($out)); }
await(sub { lines(qr/^asleep$/) == 1 }, 'nothing is owed: it sleeps');

query("SELECT eventlog.emit('mine.first'), eventlog.emit('yours')");
await(sub { lines(qr/^mine\.first$/) == 1 }, 'it is woken, without a poll');
await(sub { lines(qr/^asleep$/) == 2 }, 'and sleeps again');

# Four writers, of which one takes its time and one changes its mind.
my $slow = $node->background_psql('postgres');
$slow->query("BEGIN; SELECT eventlog.emit('mine.slow')");
$node->pgbench('--no-vacuum --client=4 --transactions=100', 0, [qr/processed: 400\/400/], [qr/^$/],
	'four writers write', { emit => "SELECT eventlog.emit('mine.many');" });
query("BEGIN; SELECT eventlog.emit('mine.never'); ROLLBACK");
await(sub { lines(qr/^mine\.many$/) == 400 }, 'all of it is handed out');
await(sub { owed('mine') == 0 }, 'and acknowledged');
$slow->query('COMMIT');
$slow->quit;
await(sub { lines(qr/^mine\.slow$/) == 1 }, 'who commits late is not passed over');

query("SELECT eventlog.emit('mine.fails')");
await(sub { lines(qr/^mine\.fails$/) == 2 }, 'what failed comes again');
await(sub { owed('mine') == 0 }, 'nothing is left');
is(lines(qr/^mine\./), 404, 'and nothing came twice');
is(lines(qr/^mine\.never|^yours/), 0, 'nor what was rolled back, or is not subscribed');

done_testing();
