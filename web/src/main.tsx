/** Composition root: settings, store, page. */

import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Provider } from 'react-redux'
import { ApiKey, tabStorage } from './apiKey'
import { App } from './App'
import { ConfigError, loadConfig } from './config'
import { createStore } from './store'
import './styles.css'
import './compose.css'

const root = createRoot(document.getElementById('root')!)
const fetch = window.fetch.bind(window)

try {
  const config = await loadConfig(fetch, document.baseURI)
  const key = new ApiKey(config.apiBase, tabStorage())
  root.render(
    <StrictMode>
      <Provider store={createStore({ apiBase: config.apiBase, fetch, key })}>
        <App config={config} />
      </Provider>
    </StrictMode>,
  )
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  root.render(
    <p className="alert page-alert" role="alert">
      {error.message}
    </p>,
  )
}
