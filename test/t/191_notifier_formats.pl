# Bodies of the operator's own (format "template") with the samples for Slack and
# its kin, each against the schema that its receiver documents; OpenTelemetry's
# OTLP; Ed25519 signatures; and a sample event by --check and --test.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Encode qw(encode_utf8);
use JSON::PP;
use MIME::Base64;
use Notifier;
use PostgreSQL::Test::Utils;
use Test::More;

$Notifier::sanitized = 1;
my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my $dir = PostgreSQL::Test::Utils::tempdir();
my @shipped = qw(slack teams discord pagerduty opsgenie generic);
my $key = 'R' x 32;

# write_file: of one's own, with this in it.
sub write_file
{
	my ($name, $text) = @_;
	my $mask = umask 0077;

	unlink "$dir/$name";
	append_to_file("$dir/$name", $text);
	umask $mask;
	return "$dir/$name";
}

# run_notifier: what the notifier prints for these arguments, and its exit status.
sub run_notifier
{
	my ($stdout, $stderr);

	IPC::Run::run([ './notifier/eventlog-notifier-sanitized', @_ ], '>', \$stdout, '2>', \$stderr);
	return ($stdout . $stderr, $? >> 8);
}

# body: of a request, as it was meant.
sub body
{
	return JSON::PP->new->decode($_[0]{body});
}

# validate: what is wrong with these requests by a receiver's schema.
sub validate
{
	my ($name, @requests) = @_;
	my $file = write_file("$name.requests", join('', map { JSON::PP->new->ascii->encode($_) . "\n" } @requests));

	return [ split /\n/, `node test/clients/validate.js $name < $file` ];
}

# The samples as they are shipped, beside files with their secrets.
foreach my $name (@shipped)
{
	write_file("$name.json", slurp_file("contrib/webhooks/$name.json"));
	write_file("$name-url", "$url/$name\n");
}
write_file('pagerduty-key', "$key\n");
write_file('opsgenie-key', "12345678-genie\n");
write_file('generic-whsec', SECRET . "\n");
my %faster = (rate_limit => '1000/s', max_concurrency => 1);
my $base = write_config({ (map { $_ => {%faster} } @shipped), map { $_ => { url => "$url/$_", %faster } } qw(pagerduty opsgenie) });
my @files = ((map { "$dir/$_.json" } @shipped), $base);
my @config = map { ('--config', $_) } @files;

my ($said, $status) = run_notifier(@config, '--check');
is($status, 0, '--check takes all of them') or diag $said;
foreach my $name (@shipped)
{
	my ($body) = $said =~ /webhooks\.$name would send: (.*)/;

	ok(eval { decode_json($body) }, "and prints what $name would get");
}
like($said, qr/"routing_key":"\*{8}"/, 'without a secret');
unlike($said, qr/$key/, 'that is in none of it');

# Events that would like to be something else.
my @messages = ('plain', qq(quotes " and \\ and ', "newlines"\n\r\t"}), '{{event.id}} }} {{secret.routing_key}}', '<!channel> @everyone **bold** [x](http://x)',
	"\x{1F600}" x 5000, '', undef, 'x' x 1048576);
my @levels = qw(debug error critical);
my $notifier = start_notifier(\@files, @shipped);
foreach my $level (@levels)
{
	foreach my $message (@messages)
	{
		next if length($message // '') > 100000 && $level ne 'critical';
		my $text = defined $message ? "convert_from(decode('" . encode_base64(encode_utf8($message), '') . "', 'base64'), 'UTF8')" : 'NULL';

		query("SELECT eventlog.emit('system.test.$level', '$level', message => $text, resource_id => 'docker.io/\"x\"',"
			  . " source_service => 'catalog', details => '{\"a\": {\"b\": [1, \"\\\"}\"]}}')");
	}
	query("SELECT eventlog.emit('bare.$level', '$level')");
}
my %wanted = (slack => 2, teams => 2, discord => 2, pagerduty => 1, opsgenie => 2, generic => 3);
my %got;
foreach my $name (@shipped)
{
	my $n = $wanted{$name} * @messages + 1;

	await(sub { requests($receiver, "/$name") >= $n }, "$name gets what it is to get");
	$got{$name} = [ requests($receiver, "/$name") ];
	is_deeply(validate($name, @{ $got{$name} }), [ ('valid') x $n ], 'as it documents it');
}
is(stop_notifier($notifier), 0, 'clean');
my ($quoted) = grep { $_->{severity} == 2 && $_->{text} =~ /quotes/ } map { body($_) } @{ $got{generic} };
is($quoted->{text}, $messages[1], 'a value is what it was');
is_deeply($quoted->{details}, { a => { b => [ 1, '"}' ] } }, 'details are JSON');
is_deeply([ map { body($_)->{text} } grep { $_->{body} =~ /secret\.routing/ } @{ $got{generic} } ], [ ($messages[2]) x 3 ], 'a placeholder in an event is text');
is(scalar(grep { body($_)->{routing_key} eq $key } @{ $got{pagerduty} }), @messages + 1, 'a secret of the body is in it');
is(scalar(grep { $_->{headers}{authorization} eq 'GenieKey 12345678-genie' } @{ $got{opsgenie} }), 2 * @messages + 1, 'and one of a header there');
is_deeply([ grep { !/^INVALID/ } @{ verify('standard', $got{generic}[0]) } ], [], 'a template is no standard body');
like($got{generic}[0]{headers}{'webhook-signature'}, qr/^v1,/, 'but signed where there is a secret');

# What a receiver echoes is told without secrets.
set_modes($receiver, '/pagerduty' => 'echo');
$notifier = start_notifier(\@files, 'pagerduty');
query("SELECT eventlog.emit('echoed', 'critical')");
await(sub { (last_error('pagerduty') // '') =~ /echoed/ }, 'a receiver echoes an event');
unlike(last_error('pagerduty'), qr/$key/, 'and its secret is not kept');
is(stop_notifier($notifier), 0, 'clean');
set_modes($receiver);

# OpenTelemetry: single records and batches, understood by its own classes.
my $seed = encode_base64('s' x 32, '');
my ($public) = `node -e "const n = require('./test/clients/node_modules/tweetnacl'); console.log(Buffer.from(n.sign.keyPair.fromSeed(Buffer.alloc(32, 's')).publicKey).toString('base64'))"` =~ /(\S+)/;
my $config = write_config({ single => { url => "$url/single", format => 'otlp' }, batched => { url => "$url/batched", format => 'otlp', batch => { max_events => 10 } },
		both => { url => "$url/both", secret => [ SECRET, "whsk_$seed" ] } });
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
set_modes($receiver, '/single' => 'answer:{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}');
$notifier = start_notifier($config, qw(single batched both));
query("SELECT eventlog.emit('otel.a', 'error', 'went wrong', source_service => 'catalog', source_host => 'h', details => '{\"trace_id\": \"0123456789abcdef0123456789abcdef\"}', occurred_at => '2022-08-24 23:08:30.54001Z')");
query("INSERT INTO events (event_type, level) SELECT 'otel.b', 'debug' FROM generate_series(1, 30)");
await(sub { owed('single') + owed('batched') + owed('both') == 0 }, 'all is delivered');
my $record = 'catalog,h 1661382510540010000 17 went wrong eventlog.details={"trace_id": "0123456789abcdef0123456789abcdef"}';
is(verify('otlp', (requests($receiver, '/single'))[0])->[0], $record, 'a record is what OpenTelemetry takes it for');
like((requests($receiver, '/single'))[0]{body}, qr/"traceId" ?: ?"0123456789abcdef0123456789abcdef"/, 'with its trace');
is(scalar(() = join(' | ', @{ verify('otlp', requests($receiver, '/batched')) }) =~ /otel\.b/g), 30, 'batches hold the rest');
cmp_ok(scalar(requests($receiver, '/batched')), '<', 31, 'in fewer requests');
like(notifier_log($notifier), qr/the receiver rejected log records" webhook=single rejected=1 error="too old"/, 'what the collector rejects is told');
is_deeply(verify([ v1a => $public ], (requests($receiver, '/both'))[0]), ['valid'], 'an Ed25519 signature is valid');
is_deeply(verify([ v1a => $public ], { %{ (requests($receiver, '/both'))[0] }, body => '{}' }), ['INVALID the signature is wrong'], 'for this body alone');
is_deeply(verify('standard', (requests($receiver, '/both'))[0]), ['otel.a error'], 'beside that by the secret');

# What is dead, on the command line.
set_modes($receiver, '/both' => '400');
is(stop_notifier($notifier), 0, 'clean');
query("SELECT eventlog.emit('dying', 'error') FROM generate_series(1, 2)");
query("SELECT eventlog.fail('both', seq, E'no \\x1b[31m', NULL) FROM eventlog.fetch('both', 100)");
($said, $status) = run_notifier('--config', $config, '--dead', 'both');
like($said, qr/^(webhook=both seq=\d+ event=\S+ occurred_at=\S+Z attempts=1 error="no .{0,8}\[31m"\n){2}$/, '--dead lists them, each in a line that is printable');
unlike($said, qr/\e/, 'without escapes');
my ($seq) = $said =~ /seq=(\d+)/;
is_deeply([ run_notifier('--config', $config, '--retry', 'both', $seq) ], [ "1 owed again\n", 0 ], '--retry owes one again');
is_deeply([ run_notifier('--config', $config, '--retry', 'both') ], [ "1 owed again\n", 0 ], 'or all');
is_deeply([ run_notifier('--config', $config, '--dead') ], [ '', 0 ], 'and none is dead');
is((run_notifier('--config', $config, '--dead', 'nobody'))[1], 2, 'an unknown webhook is wrong usage');
is((run_notifier('--config', $config, '--retry', 'both', $_))[1], 2, qq("$_" is no number)) for 'x', '-1', '';
is((run_notifier('--config', $config, '--retry', 'both', '9' x 30))[1], 1, 'nor is one that no delivery can have');

# A sample event, without a database: in each format what the database would make
# of the same event.
sub keys_of
{
	my ($value) = @_;

	return { map { $_ => keys_of($value->{$_}) } keys %$value } if ref $value eq 'HASH';
	return [ map { keys_of($_) } @$value ] if ref $value eq 'ARRAY';
	return defined $value ? 'value' : 'null';
}
set_modes($receiver);
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
my %formats = map { $_ => { url => "$url/$_", format => $_, secret => SECRET } } qw(standard cloudevents anchore otlp);
$formats{template} = { url => "$url/template", format => 'template', body => { everything => '{{event.details}}', map { $_ => "{{event.$_}}" } qw(id event_type level resource_id message created_at) } };
$config = write_config(\%formats);
$notifier = start_notifier($config, keys %formats);
query("SELECT eventlog.emit('eventlog.test', message => 'A test of this webhook', source_service => 'eventlog-notifier', source_host => 'h', details => '{\"test\": true}')");
await(sub { requests($receiver) >= 5 && (grep { requests($receiver, "/$_") == 1 } keys %formats) == 5 }, 'an event in each format');
is(stop_notifier($notifier), 0, 'clean');
my $nowhere = write_config(\%formats, database => 'host=/nowhere');
foreach my $format (sort keys %formats)
{
	is_deeply([ (run_notifier('--config', $nowhere, '--test', $format))[1] ], [0], "--test $format");
	my ($real, $sample) = map { body($_) } requests($receiver, "/$format");
	is_deeply(keys_of($sample), keys_of($real), 'is as from the database');
}
is_deeply(verify('standard', (requests($receiver, '/standard'))[1]), ['eventlog.test info'], 'it is signed');
set_modes($receiver, '/standard' => '500');
($said, $status) = run_notifier('--config', $nowhere, '--test', 'standard');
is($status, 1, 'a failure has another exit status');
like($said, qr/^HTTP status 500: out of \S+order.* \(\d\.\d+ s\)$/m, 'and the answer is printed, without escapes');
unlike($said, qr/\e/, 'none at all');
is((run_notifier('--config', $nowhere, '--test', 'nobody'))[1], 2, 'an unknown webhook is wrong usage');

done_testing();
