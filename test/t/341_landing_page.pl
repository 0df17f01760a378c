# The page at /: what a person sees of the webhooks, in a real browser, and that
# nothing a receiver answers becomes more than text.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use Notifier;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$Notifier::sanitized = 1;
my $node = new_node();
my $receiver = receiver();
my $url = $receiver->{url};
my $dir = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $page = "http://127.0.0.1:$port/";
my $hostile = q{<script>document.title='owned'</script><img src=x onerror="document.title='owned'"></bdi></td></table><style>*{display:none}</style>&lt;&#x3c;b>'"};

# slurp_page: of a page as curl gets it, with these arguments.
sub slurp_page
{
	my (@arguments) = @_;

	IPC::Run::run([ 'curl', '-s', '-i', @arguments ], '>', \my $answer);
	return $answer =~ s/\r//gr;
}

# browse: what Chromium makes of the page, and what it complains of.
sub browse
{
	my (@arguments) = @_;
	my $profile = PostgreSQL::Test::Utils::tempdir();
	my ($dom, $said);

	IPC::Run::run([ 'chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
			"--user-data-dir=$profile", '--enable-logging=stderr', @arguments, $page ],
		'>', \$dom, '2>', \$said)
	  or diag $said;
	return ($dom, join "\n", grep { /CONSOLE/ } split /\n/, $said);
}

# rows: the texts of the cells of each webhook, as html5lib finds them; it stops
# at whatever is no HTML.
sub rows
{
	my ($html) = @_;
	my $program = <<'END';
import html5lib, json, sys
tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(sys.stdin.buffer.read(), transport_encoding='utf-8')
text = lambda e: ' '.join(''.join(t + ' ' for t in e.itertext()).split())
print(json.dumps({'rows': [[text(c) for c in r] for r in tree.findall('.//tbody/tr')],
	'labels': [c.get('data-label') for c in tree.find('.//tbody/tr')],
	'heads': [text(c) for c in tree.findall('.//thead/tr/th')],
	'elements': sorted({e.tag for e in tree.iter() if isinstance(e.tag, str)}),
	'attributes': sorted({a for e in tree.iter() for a in e.attrib}),
	'links': [e.get('href') for e in tree.iter('a')]}))
END
	my ($json, $error);
	IPC::Run::run([ 'python3', '-c', $program ], '<', \$html, '>', \$json, '2>', \$error) or diag $error;
	return $json ? decode_json($json) : {};
}

set_modes($receiver, '/echo?token=topsecrettoken' => 'echo', '/refuses' => '400');
my %quick = (retry => { initial_backoff => '10ms', max_backoff => '20ms', max_attempts => 2 });
my $name = "<b>\x{202e}gr\x{f6}\x{df}e</b>&'\"";
my %webhooks = (
	fine => { url => "$url/fine" },
	$name => { url => "$url/echo?token=topsecrettoken", %quick,
		secret => SECRET, http_headers => { 'X-Key' => 'topsecretheader' },
		basic_auth => { username => 'hook', password => 'topsecretpassword' } },
	refuses => { url => "$url/refuses", %quick },
	'unreachable' => { url => 'http://127.0.0.1:1/topsecretpath', retry => { initial_backoff => '10ms', max_backoff => '20ms' } },
	waits => { url => "$url/waits" });
my $notifier = start_notifier(write_config(\%webhooks, listen => "127.0.0.1:$port"), qw(fine refuses unreachable waits));
await(sub { slurp_page($page) =~ /<h1>/ }, 'the page is there');
query("SELECT eventlog.pause('waits')");
query("SELECT eventlog.emit('system.a', 'error', message => \$m\$$hostile\$m\$) FROM generate_series(1, 3)");
await(sub { owed('fine') == 0 && owed('refuses', 'dead') == 3 && query("SELECT dead FROM eventlog.subscriptions WHERE name ~ '^<b>'") == 3 }, 'events are delivered, or not');
# (what is owed is counted every 15 s, and more seldom where a count takes long; the
# webhooks are in any order)
await(sub {
	my @rows = split /<tr/, slurp_page($page);
	grep({ m{<bdi>unreachable<.*>failing<.*Owed><span>3</span>}s } @rows) && grep({ m{<bdi>waits<.*>paused<.*Owed><span>3</span>}s } @rows)
	  && grep({ m{<bdi>refuses<.*Dead><span class=bad>3</span>}s } @rows);
}, 'what is owed and what is paused is known', 300);

my ($head, $html) = split /\n\n/, slurp_page($page), 2;
like($head, qr{^HTTP/1.1 200 }, 'it is served');
like($head, qr{^Content-Type: text/html; charset=utf-8$}m, 'as HTML');
like($head, qr/^Content-Security-Policy: default-src 'none'; style-src 'sha256-[\w+\/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/m, 'with a policy that allows nothing but its style');
like($head, qr/^$_$/m, $_) foreach ('X-Content-Type-Options: nosniff', 'Referrer-Policy: no-referrer', 'Cache-Control: no-store');
my ($only_head) = slurp_page('-I', $page);
is_deeply([ sort grep { !/^Date/ } split /\n/, $only_head ], [ sort grep { !/^Date/ } split /\n/, $head ], 'HEAD gives the same head');
my $posted = slurp_page('-X', 'POST', $page);
like($posted, qr{^HTTP/1.1 405 .*^Allow: GET, HEAD$}ms, 'nothing can be posted');
like(slurp_page("${page}elsewhere"), qr{^HTTP/1.1 404 }, 'nor is there another page');
like(slurp_page("${page}metrics"), qr{^Content-Type: text/plain; version=0.0.4}m, 'metrics are no HTML');

# What a parser that is not ours finds.
my $found = rows($html);
my %row = map { $_->[0] => $_ } @{ $found->{rows} };
is(scalar keys %row, 5, 'a row for each webhook');
is_deeply($found->{heads}, [ 'Webhook', 'State', 'Owed', 'Dead', 'Delivered', 'Last success', 'Last error' ], 'its columns');
is_deeply([ grep { defined } @{ $found->{labels} } ], [ @{ $found->{heads} }[ 1 .. 6 ] ], 'are the labels of its cells');
is_deeply($found->{elements}, [ qw(a bdi body caption dd div dl dt footer h1 head header html main meta nav small span style table tbody td th thead time title tr) ], 'no element that is not ours');
is_deeply($found->{attributes}, [ qw(aria-label charset class content data-label datetime href lang name role scope) ], 'no attribute that is not ours');
is_deeply($found->{links}, [ qw(metrics readyz healthz readyz) ], 'its links');
is(join('|', @{ $row{"fine $url"} }[ 1 .. 4 ]), 'delivering|0|0|3', 'one that delivers');
like($row{"fine $url"}[5], qr/^\d+ (?:s|min) ago \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/, 'its last success');
is($row{"fine $url"}[6], 'none yet', 'and no error');
is(join('|', @{ $row{"refuses $url"} }[ 1 .. 5 ]), 'delivering|0|3|0|none yet', 'one that refuses');
like($row{"refuses $url"}[6], qr/ UTC HTTP status 400/, 'and its error');
like(join('|', @{ $row{'unreachable http://127.0.0.1:1'} }), qr/\|failing the receiver keeps failing\|3 oldest \d+ (?:s|min)\|0\|0\|none yet\|.*connect/, 'one that is not there');
like(join('|', @{ $row{"waits $url"} }), qr/\|paused\|3 oldest \d+ (?:s|min)\|/, 'one that is paused');
my ($key) = grep { /gr/ } keys %row;
is($key, "$name $url", 'a name is what it is');
like($row{$key}[6], qr/document\.title='owned'/, 'an error is text');
unlike($html, qr/topsecret|whsec_|hook:/i, 'no secret is on it');
unlike($html, qr/<script|<img|&(?!#(?:34|38|39|60|62);)/, 'and nothing of it is markup');

# What a browser does.
my ($dom, $complaints) = browse('--dump-dom');
like($dom, qr{<title>not ready - eventlog-notifier</title>}, 'a browser shows it');
unlike($dom, qr/<script|<img|onerror="/, 'with nothing added');
is($complaints, '', 'and its policy has nothing to refuse: the style is the one that is allowed');
my @size;
foreach my $window ('1280,800', '500,900')
{
	browse("--screenshot=$dir/$window.png", "--window-size=$window");
	push @size, -s "$dir/$window.png" // 0;
}
cmp_ok($_, '>', 10000, 'there is something to see') foreach @size;

# Many webhooks make a page of many pieces.
is(stop_notifier($notifier), 0, 'clean');
query("SELECT eventlog.unsubscribe(name) FROM eventlog.subscriptions");
my %many = map { (sprintf('w%03d', $_) => { url => "$url/many", event_type => "none$_." }) } 1 .. 100;
$notifier = start_notifier(write_config(\%many, listen => "127.0.0.1:$port"), 'w001', 'w100');
(undef, $html) = split /\n\n/, slurp_page($page), 2;
is(scalar @{ rows($html)->{rows} }, 100, 'all of many webhooks are on it');
cmp_ok(length $html, '>', 2 * 16384, 'in pieces');
is(stop_notifier($notifier), 0, 'clean');

done_testing();
