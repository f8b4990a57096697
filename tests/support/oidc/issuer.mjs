// An OpenID provider for the tests. Arguments: the port (0: any free one), and a file for the keys, made if it is not there.
// It prints its address as one line of JSON, and ends with its standard input.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const [port, file] = process.argv.slice(2);

function key(kid, alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

function keys() {
  if (existsSync(file)) return JSON.parse(readFileSync(file));
  const stamp = Date.now().toString(36);
  const made = [
    key(`rsa-${stamp}`, 'RS256', 'rsa', { modulusLength: 2048 }),
    key(`ec-${stamp}`, 'ES256', 'ec', { namedCurve: 'P-256' }),
    key(`ps-${stamp}`, 'PS256', 'rsa', { modulusLength: 2048 }),
  ];
  writeFileSync(file, JSON.stringify(made));
  return made;
}

const server = createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const scopes = 'models.read models.predict models.manage';
  const provider = new Provider(url, {
    clients: [{
      client_id: 'physicist', client_secret: 'secret', grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [],
    }],
    jwks: { keys: keys() },
    scopes: scopes.split(' '),
    clientAuthMethods: ['client_secret_basic'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      // The resource says what the token is to be: ?alg=ES256&ttl=-3600 after the audience.
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_, resource) => {
          const query = new URL(resource).searchParams;
          return {
            audience: resource.split('?')[0], scope: scopes, accessTokenFormat: 'jwt',
            accessTokenTTL: Number(query.get('ttl') ?? 3600),
            jwt: { sign: { alg: query.get('alg') ?? 'RS256' } },
          };
        },
      },
    },
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ url }));
});
process.stdin.on('end', () => process.exit(0)).resume();
